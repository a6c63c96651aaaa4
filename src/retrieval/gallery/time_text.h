#pragma once

#include <cstdint>
#include <string>

namespace edgeclip {

/// "2026-01-31", "2026-01-31T12:30", "2026-01-31 12:30:05.25", with "Z" or an offset from UTC like "+01:00" behind it; without one: UTC.
/// Microseconds since 1970, UTC.  Throws InvalidInput naming `where`.
std::int64_t parse_time(const std::string& text, const std::string& where);

/// "2026-01-31T12:30:05.25Z"; "" for kUnknownTime.
std::string time_string(std::int64_t microseconds);

/// "Z", "+01:00" or "-0530": seconds that local time is ahead of UTC.  Throws InvalidInput naming `where`.
std::int64_t parse_zone(const std::string& text, const std::string& where);

}  // namespace edgeclip
