#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

/// What a container may use of the machine (Linux control groups, version 2, and version 1 for memory): the
/// tightest limit of this process's own group and those above it.
namespace edgeclip {

/// Bytes; nothing where there is no limit.
std::optional<std::int64_t> cgroup_memory_limit();
/// CPUs as a fraction (1.5: one and a half); nothing where there is no limit.
std::optional<double> cgroup_cpu_limit();

namespace detail {
/// As above, for tests: mount as /sys/fs/cgroup, self as /proc/self/cgroup.
std::optional<std::int64_t> cgroup_memory_limit(const std::filesystem::path& mount,
                                                const std::filesystem::path& self);
std::optional<double> cgroup_cpu_limit(const std::filesystem::path& mount, const std::filesystem::path& self);
}  // namespace detail

}  // namespace edgeclip
