#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace edgeclip {

/// The number that the whole of a text is, as std::from_chars reads it in the C locale; none if it is anything else, out of T's range, or empty.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace edgeclip
