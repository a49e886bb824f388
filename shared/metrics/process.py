"""What every process tells: who it is, its state, its errors, and what the machine lets it have."""

from typing import Final

from shared.metrics.instruments import Group

GROUP: Final = Group("Every process")

INFO: Final = GROUP.gauge("service_info", "Which service this is, and of which release; always 1", "name", "version")
STATE: Final = GROUP.asked("service_state", "1 for the state of the newest heartbeat, 0 for the others", "state")
HEARTBEAT: Final = GROUP.asked("heartbeat_timestamp_seconds", "When the newest heartbeat was made")
ERRORS: Final = GROUP.counter(
    "errors", "Errors that a loop waited out or set aside, by the name of their class", "kind"
)
TREE_MEMORY: Final = GROUP.asked(
    "process_tree_resident_bytes", "Memory of the process and of its worker processes; what they share counts once"
)
MEMORY_LIMIT: Final = GROUP.asked("cgroup_memory_limit_bytes", "Memory that the container may use")
MEMORY: Final = GROUP.asked(
    "cgroup_memory_working_set_bytes", "Memory that the container uses, without what the kernel can take back at once"
)
CPU_LIMIT: Final = GROUP.asked("cgroup_cpu_limit_cores", "Processors that the container may use")
CPU_THROTTLED: Final = GROUP.asked_counter(
    "cgroup_cpu_throttled_seconds", "How long the container waited because its limit of processors was reached"
)
PIDS_LIMIT: Final = GROUP.asked("cgroup_pids_limit", "Processes and threads that the container may have")
PIDS: Final = GROUP.asked("cgroup_pids", "Processes and threads that the container has")
DISK_FREE: Final = GROUP.asked("disk_free_bytes", "Free space of the file system that holds a volume", "volume")
DISK_SIZE: Final = GROUP.asked("disk_size_bytes", "Size of the file system that holds a volume", "volume")
