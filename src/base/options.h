#pragma once

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/nearest.h"

/// Option structs: each field is named once, in fields(), for parsing, printing, --set and documentation.
///
///   struct LoraOptions {
///     int rank = 16;            ///< r of A (r, in) and B (out, r)
///     std::string bias = "none";
///     template <class Visitor> void fields(Visitor& v) {
///       v("rank", rank, "r of A (r, in) and B (out, r)");
///       v("bias", bias, "which biases train", {"none", "all"});   // the allowed values
///     }
///     void validate(const std::string& where) const;              // optional: throws InvalidInput
///   };
///
/// A field is bool, an integer, a float, std::string, a std::vector of these or of option structs, a
/// std::map from names to these, or an option struct. fields() may depend on the value of a field that it
/// names before (the kind of a tower decides which sizes it has). Parsing is strict: an unknown key names the
/// nearest one, a wrong type says what was expected and what was found.
namespace edgeclip {

using Choices = std::initializer_list<const char*>;

namespace detail {

struct ProbeVisitor {
  template <class T>
  void operator()(const char*, T&, const char*, Choices = {}) {}
};
template <class T, class = void>
struct IsOptions : std::false_type {};
template <class T>
struct IsOptions<T, std::void_t<decltype(std::declval<T&>().fields(std::declval<ProbeVisitor&>()))>>
    : std::true_type {};
template <class T, class = void>
struct HasValidate : std::false_type {};
template <class T>
struct HasValidate<T, std::void_t<decltype(std::declval<const T&>().validate(std::declval<std::string>()))>>
    : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};

template <class T>
void read_value(const Json& json, T& value, const std::string& where);

struct KeysVisitor {
  std::vector<std::string> keys;
  template <class T>
  void operator()(const char* key, T&, const char*, Choices = {}) {
    keys.push_back(key);
  }
};

struct ReadVisitor {
  const Json& json;
  const std::string& where;  ///< "FILE: " or "FILE: a.b."
  template <class T>
  void operator()(const char* key, T& value, const char*, Choices choices = {}) {
    const auto it = json.find(key);
    if (it == json.end()) return;  // keeps its default
    read_value(*it, value, where + key);
    if constexpr (std::is_same_v<T, std::string>) {
      std::vector<std::string> names(choices.begin(), choices.end());
      if (!names.empty() && std::find(names.begin(), names.end(), value) == names.end())
        invalid_input("{}{}: \"{}\" is not one of its values{}", where, key, value,
                      did_you_mean(value, names));
    }
  }
};

struct WriteVisitor {
  Json json = Json::object();
  template <class T>
  static Json value_of(T& value) {
    if constexpr (IsOptions<T>::value) {
      WriteVisitor inner;
      value.fields(inner);
      return inner.json;
    } else if constexpr (IsVector<T>::value) {
      Json list = Json::array();
      for (auto&& item : value) {
        auto copy = item;
        list.push_back(value_of(copy));
      }
      return list;
    } else if constexpr (IsMap<T>::value) {
      Json object = Json::object();
      for (auto& [key, item] : value) object[key] = value_of(item);
      return object;
    } else if constexpr (std::is_same_v<T, float>) {
      return Json::parse(fmt::format("{}", value));  // shortest form that reads back: 0.1, not 0.10000000149
    } else {
      return value;
    }
  }
  template <class T>
  void operator()(const char* key, T& value, const char*, Choices = {}) {
    json[key] = value_of(value);
  }
};

/// "FILE: a" -> "FILE: a.", in front of a key; "FILE: " and "" stay.
inline std::string key_prefix(const std::string& where) {
  return where.empty() || where.back() == ' ' ? where : where + ".";
}

template <class T>
void read_options(const Json& json, T& options, const std::string& where) {
  if (!json.is_object()) invalid_input("{}: expected an object, found {}", where, json_kind(json));
  const std::string prefix = key_prefix(where);
  ReadVisitor visitor{json, prefix};
  options.fields(visitor);
  KeysVisitor known;  // after reading: which keys there are may depend on what was read
  options.fields(known);
  for (const auto& [key, value] : json.items())
    if (std::find(known.keys.begin(), known.keys.end(), key) == known.keys.end())
      invalid_input("{}{}: unknown key{}", prefix, key, did_you_mean(key, known.keys));
}

template <class T>
void read_value(const Json& json, T& value, const std::string& where) {
  if constexpr (IsOptions<T>::value) {
    read_options(json, value, where);
  } else if constexpr (IsVector<T>::value) {
    if (!json.is_array()) invalid_input("{}: expected a list, found {}", where, json_kind(json));
    value.clear();
    for (std::size_t i = 0; i < json.size(); ++i) {
      typename T::value_type item{};
      read_value(json[i], item, fmt::format("{}[{}]", where, i));
      value.push_back(std::move(item));
    }
  } else if constexpr (IsMap<T>::value) {
    if (!json.is_object()) invalid_input("{}: expected an object, found {}", where, json_kind(json));
    value.clear();
    for (const auto& [key, item] : json.items())
      read_value(item, value[key], fmt::format("{}[\"{}\"]", where, key));
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) invalid_input("{}: expected true or false, found {}", where, json_kind(json));
    value = json.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (!json.is_number_integer()) invalid_input("{}: expected an integer, found {}", where, json_kind(json));
    if (!integer_fits<T>(json)) invalid_input("{}: {} is out of range", where, json.dump());
    value = json.get<T>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number()) invalid_input("{}: expected a number, found {}", where, json_kind(json));
    value = json.get<T>();
  } else {
    static_assert(std::is_same_v<T, std::string>,
                  "a field is a bool, a number, a string, a list, a map or an option struct");
    if (!json.is_string()) invalid_input("{}: expected a string, found {}", where, json_kind(json));
    value = json.get<std::string>();
  }
}

struct DescribeVisitor {
  std::string prefix, text;
  template <class T>
  void operator()(const char* key, T& value, const char* doc, Choices choices = {}) {
    if constexpr (IsOptions<T>::value) {
      DescribeVisitor inner{prefix + key + ".", {}};
      value.fields(inner);
      text += inner.text;
    } else {
      std::string allowed;
      for (const char* choice : choices) allowed += (allowed.empty() ? " [" : "|") + std::string(choice);
      if (!allowed.empty()) allowed += "]";
      text += fmt::format("  {} = {}\n      {}{}\n", prefix + key, WriteVisitor::value_of(value).dump(), doc,
                          allowed);
    }
  }
};

/// "a.b=value" as {"a": {"b": value}}; printed, the option struct's printed form, tells which paths there are
/// and of what types they are.
Json read_setting(const Json& printed, const std::string& setting);

}  // namespace detail

/// Fields named in json replace those of options.  where: "FILE: " (or ""), the start of every message.
template <class T>
void options_from_json(const Json& json, T& options, const std::string& where) {
  detail::read_options(json, options, where);
  if constexpr (detail::HasValidate<T>::value) options.validate(detail::key_prefix(where));
}

template <class T>
Json options_to_json(const T& options) {
  T copy = options;
  return detail::WriteVisitor::value_of(copy);
}

/// `--set a.b=value`: the value is read as the field's type says ("0.1", "true", "[1,2]"; strings need no
/// quotes).  Not validated yet.
template <class T>
void set_option(T& options, const std::string& setting) {
  detail::read_options(detail::read_setting(options_to_json(options), setting), options, "--set ");
}

/// Each FILE.json, then each --set, then `given` (a JSON object: the command's own flags), in order;
/// validated once, at the end, because two values may be right only together.
template <class T>
T load_options(const std::vector<std::string>& files, const std::vector<std::string>& settings,
               T options = {}, const Json& given = Json::object()) {
  std::string culprit;  // where a value that is not valid came from
  const auto judge = [&](const std::string& source) {
    if constexpr (detail::HasValidate<T>::value) {
      try {
        options.validate("");
        culprit.clear();
      } catch (const InvalidInput&) {
        if (culprit.empty()) culprit = source;
      }
    }
  };
  for (const auto& file : files) detail::read_options(read_json(file), options, file + ": ");
  if (!files.empty()) judge(files.back() + ": ");
  for (const auto& setting : settings) set_option(options, setting);
  if (!settings.empty()) judge("--set ");
  detail::read_options(given, options, "command line: ");
  judge("command line: ");
  if constexpr (detail::HasValidate<T>::value) options.validate(culprit);
  return options;
}

/// Every field with its default, meaning and allowed values: for --help and docs.
template <class T>
std::string describe_options(const T& options) {
  T copy = options;
  detail::DescribeVisitor visitor{"", {}};
  copy.fields(visitor);
  return visitor.text;
}

}  // namespace edgeclip
