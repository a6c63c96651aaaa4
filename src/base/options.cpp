#include "base/options.h"

namespace edgeclip::detail {

Json read_setting(const Json& printed, const std::string& setting) {
  const auto equals = setting.find('=');
  if (equals == std::string::npos || equals == 0) invalid_input("--set {}: expected key.path=value", setting);
  const std::string path = setting.substr(0, equals), text = setting.substr(equals + 1);
  const Json* at = &printed;
  Json json;
  Json* out = &json;
  for (std::size_t begin = 0;;) {
    const auto dot = path.find('.', begin);
    const std::string key = path.substr(begin, dot == std::string::npos ? dot : dot - begin);
    std::vector<std::string> known;
    if (!at->is_object())
      invalid_input("--set {}: \"{}\" has no keys below it", path,
                    path.substr(0, begin == 0 ? 0 : begin - 1));
    for (const auto& item : at->items()) known.push_back(item.key());
    if (!at->contains(key))
      invalid_input("--set {}: unknown key \"{}\"{}", path, key, did_you_mean(key, known));
    at = &(*at)[key];
    out = &(*out)[key];
    if (dot == std::string::npos) break;
    begin = dot + 1;
  }
  if (at->is_string()) {
    *out = text;
    return json;
  }
  const Json value = Json::parse(text, nullptr, false);
  const bool same =
      !value.is_discarded() && ((at->is_number() && value.is_number()) || at->type() == value.type());
  if (!same)
    invalid_input("--set {}: expected {}, found \"{}\"", path,
                  at->is_boolean()          ? "true or false"
                  : at->is_number_integer() ? "an integer"
                  : at->is_number()         ? "a number"
                  : at->is_array()          ? "a list like [1,2]"
                                            : "an object",
                  text);
  *out = value;
  return json;
}

}  // namespace edgeclip::detail
