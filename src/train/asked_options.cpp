#include "train/asked_options.h"

#include <optional>
#include <utility>

namespace edgeclip {

namespace {

/// named: nullptr where nothing is; what it holds that is no object names all below it.
std::optional<Json> asked_part(const Json& value, const Json* usual, const Json* named) {
  if (!value.is_object() || value.empty()) {
    if (named != nullptr || usual == nullptr || value != *usual) return std::make_optional<Json>(value);
    return std::nullopt;
  }
  const auto below = [](const Json* json, const std::string& key) {
    if (json == nullptr || !json->is_object()) return json;
    const auto it = json->find(key);
    return it == json->end() ? nullptr : &*it;
  };
  Json part = Json::object();
  for (const auto& [key, inner] : value.items())
    if (auto asked = asked_part(inner, below(usual, key), below(named, key))) part[key] = *std::move(asked);
  if (part.empty()) return std::nullopt;
  return std::make_optional<Json>(std::move(part));
}

std::string difference_below(const Json& a, const Json& b, const std::string& path) {
  if (!a.is_object() || !b.is_object()) return a == b ? "" : path;
  for (const auto& [key, value] : b.items()) {
    const std::string at = path.empty() ? key : path + "." + key;
    if (!a.contains(key)) return at;
    const std::string inner = difference_below(a[key], value, at);
    if (!inner.empty()) return inner;
  }
  return "";
}

}  // namespace

Json asked_options(const Json& options, const Json& defaults, const Json& named) {
  const auto asked = asked_part(options, &defaults, named.is_null() ? nullptr : &named);
  return asked ? *asked : Json::object();
}

void overlay(Json& base, const Json& asked) {
  for (const auto& [key, value] : asked.items()) {
    if (value.is_object() && base.contains(key) && base[key].is_object())
      overlay(base[key], value);
    else
      base[key] = value;
  }
}

std::string first_difference(const Json& a, const Json& b) { return difference_below(a, b, ""); }

std::string value_at(const Json& json, const std::string& path) {
  const Json* at = &json;
  for (std::size_t begin = 0;;) {
    const auto dot = path.find('.', begin);
    const std::string key = path.substr(begin, dot == std::string::npos ? dot : dot - begin);
    if (!at->is_object() || !at->contains(key)) return "not set";
    at = &(*at)[key];
    if (dot == std::string::npos) return at->dump();
    begin = dot + 1;
  }
}

}  // namespace edgeclip
