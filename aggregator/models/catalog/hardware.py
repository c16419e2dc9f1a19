"""Rows of exporters that measure the hardware of hosts: energy (Scaphandre, Kepler), GPUs of NVIDIA, AMD and Intel."""

from dataclasses import replace

from aggregator.models.catalog.converters import (
    parse_float,
    parse_optional_text,
    parse_temperature,
    parse_unsigned_float,
    parse_unsigned_int,
)
from aggregator.models.catalog.promql import (
    Expression,
    LabelNames,
    count_by,
    first_of,
    group_by,
    join_labels,
    label_quantities,
    max_by,
    parse_selector,
    sum_by,
    total,
)
from aggregator.models.catalog.row import (
    AGENT_HOST_LABELS,
    NODE_BY_AGENT,
    ChildKind,
    Exporter,
    ExporterKind,
    FieldMapping,
    Row,
    map_quantity,
)

SCAPHANDRE = Exporter("Scaphandre", kind=ExporterKind.HOST)
SCAPHANDRE_OTEL = Exporter("Scaphandre", "through OpenTelemetry", ExporterKind.HOST)
KEPLER = Exporter("Kepler", kind=ExporterKind.HOST, host_label="node_name")
DCGM = Exporter("NVIDIA DCGM exporter", kind=ExporterKind.HOST, host_label="Hostname")
AMD = Exporter("AMD device metrics exporter", kind=ExporterKind.HOST, host_label="hostname")
INTEL = Exporter("Intel XPU Manager", kind=ExporterKind.HOST)
# Its own label `instance` has the name of the host.
ALL_SMI = Exporter("all-smi", kind=ExporterKind.HOST, host_label="exported_instance")

# With replicated Prometheus servers each GPU has several series. Take their maximum before adding up the GPUs.
GPU_LABELS = (*AGENT_HOST_LABELS, "gpu", "UUID")
# A GPU that MIG divides has a series for each instance. Each has its own memory; the energy is that of the whole GPU.
GPU_INSTANCE_LABELS = (*GPU_LABELS, "GPU_I_ID")
AMD_GPU_LABELS = (*AGENT_HOST_LABELS, "gpu_id", "gpu_partition_id")
# Both versions of XPU Manager have the PCI address of the GPU. Tiles are `com_intel_subdevice_id` and `sub_dev`.
INTEL_GPU_LABELS = (*AGENT_HOST_LABELS, "pci_bdf")
INTEL_GPU_SELECTORS = (
    parse_selector('hw_gpu_info{pci_bdf!=""}'),
    parse_selector('xpum_power_watts{pci_bdf!="",sub_dev=""}'),
)
# all-smi also reports the GPUs of other exporters. It gives the GPU of every Jetson this ID.
JETSON_MATCHERS = '{gpu_uuid="JetsonGPU"}'
JETSON_GPU_LABELS = (*AGENT_HOST_LABELS, "gpu_uuid")

# The zones of RAPL overlap: `core` is a part of `package`, and both are parts of `psys`.
KEPLER_ZONES = '{zone=~"package|dram"}'
KEPLER_LABELS = (*AGENT_HOST_LABELS, "zone", "path")

GPU = replace(NODE_BY_AGENT, child_kind=ChildKind.GPU, child_label="gpu_name")
INTEL_GPU = replace(GPU, child_label="pci_bdf")
JETSON_GPU = replace(GPU, child_label="gpu_uuid")


def join_gpu_name(values: Expression) -> Expression:
    """Return the values of NVIDIA GPUs with their name: the ID of the GPU and, with MIG, that of the instance."""
    return join_labels(values, "gpu_name", ("UUID", "GPU_I_ID"))


def name_gpus(metric: str, labels: LabelNames = ()) -> Expression:
    """Return the largest value of a DCGM metric for each GPU or instance, with its name."""
    return join_gpu_name(max_by(metric, (*GPU_INSTANCE_LABELS, *labels)))


def name_amd_gpus(metric: str, labels: LabelNames = ()) -> Expression:
    """Return the largest value of an AMD metric for each GPU or partition of one, with its name."""
    return join_labels(max_by(metric, (*AMD_GPU_LABELS, *labels)), "gpu_name", ("gpu_id", "gpu_partition_id"))


def sum_intel_memory(metric: str) -> Expression:
    """Return the sum of the memory modules of each Intel GPU, as XPU Manager 2 reports them."""
    modules = max_by(
        metric + '{pci_bdf!="",hw_memory_location="device"}',
        (*INTEL_GPU_LABELS, "com_intel_subdevice_id", "hw_name"),
    )
    return sum_by(modules, INTEL_GPU_LABELS)


def first_of_intel(*selectors: str) -> Expression:
    """Return the largest value of each Intel GPU, from the first metric that it has."""
    return first_of(*(max_by(selector, INTEL_GPU_LABELS) for selector in selectors))


INTEL_MEMORY_BYTES = sum_intel_memory("hw_memory_size_bytes")
# XPU Manager 1 reports the memory of each tile if a GPU has several.
INTEL_USED_MEMORY_BYTES = first_of(
    sum_intel_memory("hw_memory_usage_bytes"),
    max_by('xpum_memory_used_bytes{pci_bdf!="",sub_dev=""}', INTEL_GPU_LABELS),
    sum_by(max_by('xpum_memory_used_bytes{pci_bdf!="",sub_dev!=""}', (*INTEL_GPU_LABELS, "sub_dev")), INTEL_GPU_LABELS),
)
# Of several sensors, that of the whole card has the largest value.
INTEL_POWER_WATTS = first_of_intel('hw_power_watts{pci_bdf!=""}', 'xpum_power_watts{pci_bdf!="",sub_dev=""}')
INTEL_ENERGY_JOULES = first_of_intel(
    'hw_energy_joules_total{pci_bdf!=""}', 'xpum_energy_joules_total{pci_bdf!="",sub_dev=""}'
)
INTEL_UTILIZATION_RATIO = first_of_intel(
    'hw_gpu_utilization_ratio{pci_bdf!="",hw_gpu_task="all"}', 'xpum_engine_ratio{pci_bdf!="",sub_dev=""}'
)
INTEL_TEMPERATURE_CELSIUS = first_of_intel(
    'hw_temperature_celsius{pci_bdf!="",hw_sensor_location="gpu",statistic="max"}',
    'xpum_temperature_celsius{pci_bdf!="",location="gpu"}',
)
INTEL_FREQUENCY_HERTZ = first_of(
    max_by('hw_frequency_hertz{pci_bdf!="",hw_frequency_domain="gpu",aggregation="avg"}', INTEL_GPU_LABELS),
    max_by('xpum_frequency_mhz{pci_bdf!="",location="gpu",type="actual"}', INTEL_GPU_LABELS).multiply_by("1e6"),
)

# The default counters of DCGM do not include the total.
_USED_AND_FREE = total(
    max_by("DCGM_FI_DEV_FB_USED", GPU_INSTANCE_LABELS), max_by("DCGM_FI_DEV_FB_FREE", GPU_INSTANCE_LABELS)
)
GPU_MEMORY_MEBIBYTES = first_of(
    max_by("DCGM_FI_DEV_FB_TOTAL", GPU_INSTANCE_LABELS),
    total(_USED_AND_FREE, max_by("DCGM_FI_DEV_FB_RESERVED", GPU_INSTANCE_LABELS)),
    _USED_AND_FREE,
)

ROWS = (
    Row(
        "energy",
        max_by("scaph_host_energy_microjoules_total", AGENT_HOST_LABELS).divide_by("1e6"),
        NODE_BY_AGENT,
        (FieldMapping("energy_joules", parse_float),),
        "energy that the host used since boot, from Scaphandre through OpenTelemetry",
        SCAPHANDRE_OTEL,
    ),
    Row(
        "energy_plain",
        max_by("scaph_host_energy_microjoules", AGENT_HOST_LABELS).divide_by("1e6"),
        NODE_BY_AGENT,
        (FieldMapping("energy_joules", parse_float),),
        "energy that the host used since boot, from Scaphandre scraped directly",
        SCAPHANDRE,
    ),
    Row(
        "energy_by_kepler",
        sum_by(max_by("kepler_node_cpu_joules_total" + KEPLER_ZONES, KEPLER_LABELS), AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("energy_joules", parse_unsigned_float),),
        "energy that processors and memory of the host used",
        KEPLER,
    ),
    Row(
        "power",
        max_by("scaph_host_power_microwatts", AGENT_HOST_LABELS).divide_by("1e6"),
        NODE_BY_AGENT,
        (FieldMapping("power_watts", parse_unsigned_float),),
        "power of the host",
        SCAPHANDRE,
    ),
    Row(
        "power_by_kepler",
        sum_by(max_by("kepler_node_cpu_watts" + KEPLER_ZONES, KEPLER_LABELS), AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("power_watts", parse_unsigned_float),),
        "power of processors and memory of the host",
        KEPLER,
    ),
    Row(
        "gpu_count",
        count_by(
            group_by(
                first_of(parse_selector("DCGM_FI_DEV_GPU_TEMP"), parse_selector("DCGM_FI_DEV_FB_USED")), GPU_LABELS
            ),
            AGENT_HOST_LABELS,
        ),
        NODE_BY_AGENT,
        (FieldMapping("gpu_count", parse_unsigned_float),),
        "number of NVIDIA GPUs",
        DCGM,
    ),
    Row(
        "gpu_frequency",
        max_by("DCGM_FI_DEV_SM_CLOCK", AGENT_HOST_LABELS).multiply_by("1e6"),
        NODE_BY_AGENT,
        (FieldMapping("gpu_frequency_hertz", parse_unsigned_int),),
        "current frequency of the fastest GPU; DCGM reports MHz",
        DCGM,
    ),
    Row(
        "gpu_max_frequency",
        max_by("DCGM_FI_DEV_MAX_SM_CLOCK", AGENT_HOST_LABELS).multiply_by("1e6"),
        NODE_BY_AGENT,
        (FieldMapping("gpu_max_frequency_hertz", parse_unsigned_int),),
        "maximum frequency of the fastest GPU; DCGM reports MHz",
        DCGM,
    ),
    Row(
        "gpu_memory",
        sum_by(GPU_MEMORY_MEBIBYTES, AGENT_HOST_LABELS).multiply_by("1048576"),
        NODE_BY_AGENT,
        (FieldMapping("gpu_memory_bytes", parse_unsigned_int),),
        "total memory of all GPUs; DCGM reports MiB",
        DCGM,
    ),
    Row(
        "gpu_temperature",
        max_by("DCGM_FI_DEV_GPU_TEMP", AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("gpu_temperature_celsius", parse_float),),
        "temperature of the hottest GPU",
        DCGM,
    ),
    Row(
        "gpu_energy",
        sum_by(max_by("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", GPU_LABELS), AGENT_HOST_LABELS).multiply_by("1e-3"),
        NODE_BY_AGENT,
        (FieldMapping("gpu_energy_joules", parse_float),),
        "energy that all GPUs used since their driver was loaded; DCGM reports mJ",
        DCGM,
    ),
    Row(
        "gpus",
        name_gpus("DCGM_FI_DEV_FB_USED", ("modelName", "GPU_I_PROFILE")).multiply_by("1048576"),
        GPU,
        (
            FieldMapping("used_memory_bytes", parse_unsigned_int),
            FieldMapping("model", parse_optional_text, "modelName"),
            FieldMapping("mig_profile", parse_optional_text, "GPU_I_PROFILE"),
        ),
        "NVIDIA GPUs and their used memory; DCGM reports MiB",
        DCGM,
    ),
    Row(
        "gpu_memory_of_each",
        join_gpu_name(GPU_MEMORY_MEBIBYTES).multiply_by("1048576"),
        GPU,
        (FieldMapping("memory_bytes", parse_unsigned_int),),
        "total memory of each GPU; DCGM reports MiB",
        DCGM,
    ),
    Row(
        "gpu_utilization",
        name_gpus("DCGM_FI_DEV_GPU_UTIL"),
        GPU,
        (FieldMapping("utilization_percent", parse_float),),
        "share of time in which a GPU was busy",
        DCGM,
    ),
    Row(
        "gpu_engine_activity",
        name_gpus("DCGM_FI_PROF_GR_ENGINE_ACTIVE").multiply_by("100"),
        GPU,
        (FieldMapping("utilization_percent", parse_float),),
        "share of time in which the graphics engine was busy, also of instances",
        DCGM,
    ),
    Row(
        "gpu_temperature_of_each",
        name_gpus("DCGM_FI_DEV_GPU_TEMP"),
        GPU,
        (FieldMapping("temperature_celsius", parse_temperature),),
        "temperature of each GPU",
        DCGM,
    ),
    Row(
        "gpu_frequency_of_each",
        name_gpus("DCGM_FI_DEV_SM_CLOCK").multiply_by("1e6"),
        GPU,
        (FieldMapping("frequency_hertz", parse_unsigned_int),),
        "current frequency of each GPU; DCGM reports MHz",
        DCGM,
    ),
    Row(
        "gpu_power",
        name_gpus("DCGM_FI_DEV_POWER_USAGE"),
        GPU,
        (FieldMapping("power_watts", parse_unsigned_float),),
        "power of each GPU",
        DCGM,
    ),
    Row(
        "gpu_energy_of_each",
        name_gpus("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION").multiply_by("1e-3"),
        GPU,
        (FieldMapping("energy_joules", parse_unsigned_float),),
        "energy that each GPU used since its driver was loaded; DCGM reports mJ",
        DCGM,
    ),
    Row(
        "amd_gpu_count",
        count_by(group_by("gpu_total_vram", (*AGENT_HOST_LABELS, "gpu_id")), AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("gpu_count", parse_unsigned_float),),
        "number of AMD GPUs",
        AMD,
    ),
    Row(
        "amd_gpu_memory",
        sum_by(max_by("gpu_total_vram", AMD_GPU_LABELS), AGENT_HOST_LABELS).multiply_by("1048576"),
        NODE_BY_AGENT,
        (FieldMapping("gpu_memory_bytes", parse_unsigned_int),),
        "total memory of all AMD GPUs; the exporter reports MiB",
        AMD,
    ),
    Row(
        "amd_gpus",
        name_amd_gpus("gpu_total_vram", ("card_series",)).multiply_by("1048576"),
        GPU,
        (
            FieldMapping("memory_bytes", parse_unsigned_int),
            FieldMapping("model", parse_optional_text, "card_series"),
        ),
        "AMD GPUs and their memory; the exporter reports MiB",
        AMD,
    ),
    Row(
        "amd_gpu_used_memory",
        name_amd_gpus("gpu_used_vram").multiply_by("1048576"),
        GPU,
        (FieldMapping("used_memory_bytes", parse_unsigned_int),),
        "used memory of each AMD GPU; the exporter reports MiB",
        AMD,
    ),
    Row(
        "amd_gpu_utilization",
        name_amd_gpus("gpu_gfx_activity"),
        GPU,
        (FieldMapping("utilization_percent", parse_float),),
        "use of the graphics engine of each AMD GPU",
        AMD,
    ),
    Row(
        "amd_gpu_temperature",
        join_labels(
            max_by(
                first_of(parse_selector("gpu_junction_temperature"), parse_selector("gpu_edge_temperature")),
                AMD_GPU_LABELS,
            ),
            "gpu_name",
            ("gpu_id", "gpu_partition_id"),
        ),
        GPU,
        (FieldMapping("temperature_celsius", parse_temperature),),
        "temperature of each AMD GPU",
        AMD,
    ),
    Row(
        "amd_gpu_power",
        name_amd_gpus("gpu_power_usage"),
        GPU,
        (FieldMapping("power_watts", parse_unsigned_float),),
        "power of each AMD GPU",
        AMD,
    ),
    Row(
        "amd_gpu_energy",
        name_amd_gpus("gpu_energy_consumed").divide_by("1e6"),
        GPU,
        (FieldMapping("energy_joules", parse_unsigned_float),),
        "energy that each AMD GPU used; the exporter reports µJ",
        AMD,
    ),
    Row(
        "intel_gpu_totals",
        label_quantities(
            {
                "count": count_by(group_by(first_of(*INTEL_GPU_SELECTORS), INTEL_GPU_LABELS), AGENT_HOST_LABELS),
                "memory": sum_by(INTEL_MEMORY_BYTES, AGENT_HOST_LABELS),
            }
        ),
        NODE_BY_AGENT,
        (
            map_quantity("gpu_count", parse_unsigned_float, "count"),
            map_quantity("gpu_memory_bytes", parse_unsigned_int, "memory"),
        ),
        "number of Intel GPUs, and the total memory of all",
        INTEL,
    ),
    Row(
        "intel_gpus",
        label_quantities(
            {
                "info": group_by(first_of(*INTEL_GPU_SELECTORS), (*INTEL_GPU_LABELS, "hw_model", "dev_name")),
                "memory": INTEL_MEMORY_BYTES,
                "used_memory": INTEL_USED_MEMORY_BYTES,
                "utilization": INTEL_UTILIZATION_RATIO.multiply_by("100"),
                "temperature": INTEL_TEMPERATURE_CELSIUS,
                "frequency": INTEL_FREQUENCY_HERTZ,
                "power": INTEL_POWER_WATTS,
                "energy": INTEL_ENERGY_JOULES,
            }
        ),
        INTEL_GPU,
        (
            map_quantity("model", parse_optional_text, "info", "hw_model"),
            map_quantity("model", parse_optional_text, "info", "dev_name"),
            map_quantity("memory_bytes", parse_unsigned_int, "memory"),
            map_quantity("used_memory_bytes", parse_unsigned_int, "used_memory"),
            map_quantity("utilization_percent", parse_unsigned_float, "utilization"),
            map_quantity("temperature_celsius", parse_temperature, "temperature"),
            map_quantity("frequency_hertz", parse_unsigned_int, "frequency"),
            map_quantity("power_watts", parse_unsigned_float, "power"),
            map_quantity("energy_joules", parse_unsigned_float, "energy"),
        ),
        "Intel GPUs with their model, memory, utilization, temperature, frequency, power and energy",
        INTEL,
    ),
    Row(
        "jetson_gpu_count",
        count_by(group_by("all_smi_gpu_info" + JETSON_MATCHERS, JETSON_GPU_LABELS), AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("gpu_count", parse_unsigned_float),),
        "number of GPUs of an NVIDIA Jetson",
        ALL_SMI,
    ),
    Row(
        "jetson_gpus",
        label_quantities(
            {
                quantity: max_by(f"all_smi_gpu_{metric}{JETSON_MATCHERS}", (*JETSON_GPU_LABELS, "gpu"))
                for quantity, metric in {
                    "memory": "memory_total_bytes",
                    "used_memory": "memory_used_bytes",
                    "utilization": "utilization",
                    "temperature": "temperature_celsius",
                    "power": "power_consumption_watts",
                }.items()
            }
            | {
                "frequency": max_by(
                    "all_smi_gpu_frequency_mhz" + JETSON_MATCHERS, (*JETSON_GPU_LABELS, "gpu")
                ).multiply_by("1e6")
            }
        ),
        JETSON_GPU,
        (
            map_quantity("model", parse_optional_text, "memory", "gpu"),
            map_quantity("memory_bytes", parse_unsigned_int, "memory"),
            map_quantity("used_memory_bytes", parse_unsigned_int, "used_memory"),
            map_quantity("utilization_percent", parse_unsigned_float, "utilization"),
            map_quantity("temperature_celsius", parse_temperature, "temperature"),
            map_quantity("frequency_hertz", parse_unsigned_int, "frequency"),
            map_quantity("power_watts", parse_unsigned_float, "power"),
        ),
        "GPU of an NVIDIA Jetson; it shares the memory of the host",
        ALL_SMI,
    ),
)
