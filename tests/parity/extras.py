"""What the Go service does not read and ours does: none of it may disturb what both tell."""

from tests.parity.scene import Scene


def draw_extras(scene: Scene, host: dict[str, str]) -> None:
    """Draw some of the further series of a host."""
    for draw in (_draw_files, _draw_times, _draw_agent, _draw_graphics, _draw_docker):
        if scene.chance(0.3):
            draw(scene, host)


def _draw_files(scene: Scene, host: dict[str, str]) -> None:
    for mountpoint, kind in (("/", "ext4"), ("/data", "xfs"), ("/run", "tmpfs")):
        labels = {**host, "device": f"/dev/{scene.name('sd')}", "fstype": kind, "mountpoint": mountpoint}
        scene.add("node_filesystem_size_bytes", labels, scene.whole(2**30, 2**40))
        scene.add("node_filesystem_avail_bytes", labels, scene.whole(0, 2**30))


def _draw_times(scene: Scene, host: dict[str, str]) -> None:
    scene.add("node_time_seconds", host, "1700000000")
    scene.add("node_boot_time_seconds", host, "1690000000")
    for cpu in range(4):
        scene.add("node_cpu_seconds_total", {**host, "cpu": str(cpu), "mode": "idle"}, scene.whole(0, 10**6))
        scene.add("node_cpu_scaling_frequency_hertz", {**host, "cpu": str(cpu)}, scene.whole(10**9, 4 * 10**9))


def _draw_agent(scene: Scene, host: dict[str, str]) -> None:
    scene.add("tlum_runtime_info", {**host, "type": "containerd", "node_name": scene.name("node")})
    scene.add("tlum_host_labels", {**host, "label_zone": scene.name("zone")})
    scene.add("tlum_cpu_freq", host, scene.whole(1000, 4000))
    scene.add("intelligence_node_cpu_utilization_prediction", host, scene.real(0, 100))


def _draw_graphics(scene: Scene, host: dict[str, str]) -> None:
    labels = {**host, "gpu": "0", "UUID": f"GPU-{scene.identifier(8)}"}
    scene.add("DCGM_FI_DEV_SM_CLOCK", labels, scene.whole(0, 2000))
    scene.add("DCGM_FI_DEV_GPU_TEMP", labels, scene.whole(0, 90))
    scene.add("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", labels, scene.whole(0, 10**12))


def _draw_docker(scene: Scene, host: dict[str, str]) -> None:
    """Draw Docker's own statistics, which have no pod: Go drops them."""
    named = {name: value for name, value in host.items() if not name.startswith("k8s_")}
    for number in range(2):
        labels = {**named, "container_name": scene.name("box"), "container_id": f"{number}{scene.identifier(8)}"}
        scene.add("container_cpu_utilization_ratio", labels, scene.real(0, 100))
