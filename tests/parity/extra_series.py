"""What the Go service does not read and ours does: none of it may disturb what both tell."""

from tests.parity.fleet_generator import FleetGenerator


def draw_extras(generator: FleetGenerator, host: dict[str, str]) -> None:
    """Draw some of the further series of a host."""
    for draw in (_draw_files, _draw_times, _draw_agent, _draw_graphics, _draw_docker):
        if generator.happens(0.3):
            draw(generator, host)


def _draw_files(generator: FleetGenerator, host: dict[str, str]) -> None:
    for mountpoint, kind in (("/", "ext4"), ("/data", "xfs"), ("/run", "tmpfs")):
        labels = {**host, "device": f"/dev/{generator.generate_name('sd')}", "fstype": kind, "mountpoint": mountpoint}
        generator.add_series("node_filesystem_size_bytes", labels, generator.generate_integer(2**30, 2**40))
        generator.add_series("node_filesystem_avail_bytes", labels, generator.generate_integer(0, 2**30))


def _draw_times(generator: FleetGenerator, host: dict[str, str]) -> None:
    generator.add_series("node_time_seconds", host, "1700000000")
    generator.add_series("node_boot_time_seconds", host, "1690000000")
    for cpu in range(4):
        generator.add_series(
            "node_cpu_seconds_total", {**host, "cpu": str(cpu), "mode": "idle"}, generator.generate_integer(0, 10**6)
        )
        generator.add_series(
            "node_cpu_scaling_frequency_hertz", {**host, "cpu": str(cpu)}, generator.generate_integer(10**9, 4 * 10**9)
        )


def _draw_agent(generator: FleetGenerator, host: dict[str, str]) -> None:
    generator.add_series(
        "tlum_runtime_info", {**host, "type": "containerd", "node_name": generator.generate_name("node")}
    )
    generator.add_series("tlum_host_labels", {**host, "label_zone": generator.generate_name("zone")})
    generator.add_series("tlum_cpu_freq", host, generator.generate_integer(1000, 4000))
    generator.add_series("intelligence_node_cpu_utilization_prediction", host, generator.generate_float(0, 100))


def _draw_graphics(generator: FleetGenerator, host: dict[str, str]) -> None:
    labels = {**host, "gpu": "0", "UUID": f"GPU-{generator.generate_identifier(8)}"}
    generator.add_series("DCGM_FI_DEV_SM_CLOCK", labels, generator.generate_integer(0, 2000))
    generator.add_series("DCGM_FI_DEV_GPU_TEMP", labels, generator.generate_integer(0, 90))
    generator.add_series("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", labels, generator.generate_integer(0, 10**12))


def _draw_docker(generator: FleetGenerator, host: dict[str, str]) -> None:
    """Draw Docker's own statistics, which have no pod: Go drops them."""
    named = {name: value for name, value in host.items() if not name.startswith("k8s_")}
    for number in range(2):
        labels = {
            **named,
            "container_name": generator.generate_name("box"),
            "container_id": f"{number}{generator.generate_identifier(8)}",
        }
        generator.add_series("container_cpu_utilization_ratio", labels, generator.generate_float(0, 100))
