#include "base/options.h"

namespace edgeclip::detail {

namespace {

/// As JSON writes it, so that quotes inside do not look like those around.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Calls use with the integer at value, as a reference of its own type.
template <class Use>
bool with_integer(Field field, Use use) {
  switch (field.type->kind) {
    case FieldKind::kInt8:
      use(*static_cast<std::int8_t*>(field.value));
      return true;
    case FieldKind::kInt16:
      use(*static_cast<std::int16_t*>(field.value));
      return true;
    case FieldKind::kInt32:
      use(*static_cast<std::int32_t*>(field.value));
      return true;
    case FieldKind::kInt64:
      use(*static_cast<std::int64_t*>(field.value));
      return true;
    case FieldKind::kUint8:
      use(*static_cast<std::uint8_t*>(field.value));
      return true;
    case FieldKind::kUint16:
      use(*static_cast<std::uint16_t*>(field.value));
      return true;
    case FieldKind::kUint32:
      use(*static_cast<std::uint32_t*>(field.value));
      return true;
    case FieldKind::kUint64:
      use(*static_cast<std::uint64_t*>(field.value));
      return true;
    default:
      return false;
  }
}

/// What stands before a message on a whole value: "FILE: " and "" stay, "FILE: a" -> "FILE: a: ".
std::string place(const std::string& where) {
  return where.empty() || where.back() == ' ' ? where : where + ": ";
}

void read_field(const Json& json, Field field, const std::string& where);

struct ReadVisitor final : FieldVisitor {
  ReadVisitor(const Json& values, const std::string& prefix) : json(values), where(prefix) {}
  void visit(const char* key, Field field, const char*, Choices choices) override {
    const auto it = json.find(key);
    if (it == json.end()) return;  // keeps its default
    read_field(*it, field, where + key);
    if (field.type->kind != FieldKind::kString || choices.size() == 0) return;
    const auto& value = *static_cast<std::string*>(field.value);
    const std::vector<std::string> names(choices.begin(), choices.end());
    if (std::find(names.begin(), names.end(), value) == names.end())
      invalid_input("{}{}: {} is not one of its values{}", where, key, quoted(value),
                    did_you_mean(value, names));
  }
  const Json& json;
  const std::string& where;  ///< "FILE: " or "FILE: a.b."
};

struct KeysVisitor final : FieldVisitor {
  void visit(const char* key, Field, const char*, Choices) override { keys.emplace_back(key); }
  std::vector<std::string> keys;
};

Json print(Field field, bool all);

struct PrintVisitor final : FieldVisitor {
  explicit PrintVisitor(bool all) : all(all) {}
  void visit(const char* key, Field field, const char*, Choices) override { json[key] = print(field, all); }
  bool writes() const override { return !all; }
  const bool all;  ///< with what is not written where it is as usual
  Json json = Json::object();
};

struct DescribeVisitor final : FieldVisitor {
  explicit DescribeVisitor(std::string before) : prefix(std::move(before)) {}
  void visit(const char* key, Field field, const char* doc, Choices choices) override {
    if (field.type->kind == FieldKind::kOptions) {
      DescribeVisitor inner(prefix + key + ".");
      field.type->fields(field.value, inner);
      text += inner.text;
      return;
    }
    std::string allowed;
    for (const char* choice : choices) allowed += (allowed.empty() ? " [" : "|") + std::string(choice);
    if (!allowed.empty()) allowed += "]";
    text += fmt::format("  {} = {}\n      {}{}\n", prefix + key, print_field(field).dump(), doc, allowed);
  }
  std::string prefix, text;
};

void read_list(const Json& json, Field field, const std::string& where) {
  if (json.is_string() && field.type->item->kind == FieldKind::kString) return read_list(Json::array({json}), field, where);  // a list of one
  if (!json.is_array()) invalid_input("{}expected a list, found {}", place(where), json_kind(json));
  field.type->clear(field.value);
  for (std::size_t i = 0; i < json.size(); ++i)
    read_field(json[i], {field.type->item, field.type->add(field.value, {})},
               fmt::format("{}[{}]", where, i));
}

void read_map(const Json& json, Field field, const std::string& where) {
  if (!json.is_object()) invalid_input("{}expected an object, found {}", place(where), json_kind(json));
  field.type->clear(field.value);
  for (const auto& [key, item] : json.items())
    read_field(item, {field.type->item, field.type->add(field.value, key)},
               fmt::format("{}[{}]", where, quoted(key)));
}

void read_field(const Json& json, Field field, const std::string& where) {
  const bool integer = with_integer(field, [&]<class T>(T& value) {
    if (!json.is_number_integer())
      invalid_input("{}expected an integer, found {}", place(where), json_kind(json));
    if (!integer_fits<T>(json)) invalid_input("{}{} is out of range", place(where), json.dump());
    value = json.get<T>();
  });
  if (integer) return;
  switch (field.type->kind) {
    case FieldKind::kBool:
      if (!json.is_boolean())
        invalid_input("{}expected true or false, found {}", place(where), json_kind(json));
      *static_cast<bool*>(field.value) = json.get<bool>();
      break;
    case FieldKind::kFloat:
    case FieldKind::kDouble:
      if (!json.is_number()) invalid_input("{}expected a number, found {}", place(where), json_kind(json));
      if (field.type->kind == FieldKind::kFloat)
        *static_cast<float*>(field.value) = json.get<float>();
      else
        *static_cast<double*>(field.value) = json.get<double>();
      break;
    case FieldKind::kString:
      if (!json.is_string()) invalid_input("{}expected a string, found {}", place(where), json_kind(json));
      *static_cast<std::string*>(field.value) = json.get<std::string>();
      break;
    case FieldKind::kList:
      read_list(json, field, where);
      break;
    case FieldKind::kMap:
      read_map(json, field, where);
      break;
    default:
      read_options(json, field, where);
  }
}

/// "a.b=value" as {"a": {"b": value}}; printed, the option struct's printed form, tells which paths there are
/// and of what types they are.
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
    const Json value = text.starts_with('"') ? Json::parse(text, nullptr, false) : Json();
    *out = value.is_string() ? value : Json(text);  // "int8" in JSON's quotes is int8
    return json;
  }
  const Json value = Json::parse(text, nullptr, false);
  if (at->is_array() && value.is_discarded()) {  // a list of one text, if it is a list of texts
    *out = text;
    return json;
  }
  const bool same =
      !value.is_discarded() && ((at->is_number() && value.is_number()) || at->type() == value.type());
  if (!same)
    invalid_input("--set {}: expected {}, found {}", path,
                  at->is_boolean()          ? "true or false"
                  : at->is_number_integer() ? "an integer"
                  : at->is_number()         ? "a number"
                  : at->is_array()          ? "a list like [1,2]"
                                            : "an object",
                  quoted(text));
  *out = value;
  return json;
}

Json print(Field field, bool all) {
  Json json;
  if (with_integer(field, [&](auto& value) { json = value; })) return json;
  switch (field.type->kind) {
    case FieldKind::kBool:
      return *static_cast<bool*>(field.value);
    case FieldKind::kFloat:  // the shortest form that reads back: 0.1, not 0.10000000149
      return Json::parse(fmt::format("{}", *static_cast<float*>(field.value)));
    case FieldKind::kDouble:
      return *static_cast<double*>(field.value);
    case FieldKind::kString:
      return *static_cast<std::string*>(field.value);
    case FieldKind::kList:
      json = Json::array();
      field.type->each(field.value, [&](const std::string&, void* item) {
        json.push_back(print({field.type->item, item}, all));
      });
      return json;
    case FieldKind::kMap:
      json = Json::object();
      field.type->each(field.value, [&](const std::string& key, void* item) {
        json[key] = print({field.type->item, item}, all);
      });
      return json;
    default: {
      PrintVisitor inner(all);
      field.type->fields(field.value, inner);
      return inner.json;
    }
  }
}

}  // namespace

std::string key_prefix(const std::string& where) {
  return where.empty() || where.back() == ' ' ? where : where + ".";
}

Json print_field(Field field) { return print(field, /*all=*/false); }

void read_options(const Json& json, Field options, const std::string& where) {
  if (!json.is_object()) invalid_input("{}expected an object, found {}", place(where), json_kind(json));
  const std::string prefix = key_prefix(where);
  ReadVisitor visitor(json, prefix);
  options.type->fields(options.value, visitor);
  KeysVisitor known;  // after reading: which keys there are may depend on what was read
  options.type->fields(options.value, known);
  for (const auto& [key, value] : json.items())
    if (std::find(known.keys.begin(), known.keys.end(), key) == known.keys.end())
      invalid_input("{}{}: unknown key{}", prefix, key, did_you_mean(key, known.keys));
}

void set_option(Field options, const std::string& setting) {
  read_options(read_setting(print(options, /*all=*/true), setting), options, "--set ");
}

void load_options(Field options, const std::vector<std::string>& files,
                  const std::vector<std::string>& settings, const Json& given) {
  const auto validate = options.type->validate;
  std::string culprit;  // where a value that is not valid came from
  const auto judge = [&](const std::string& source) {
    if (!validate) return;
    try {
      validate(options.value, "");
      culprit.clear();
    } catch (const InvalidInput&) {
      if (culprit.empty()) culprit = source;
    }
  };
  for (const auto& file : files) read_options(read_json(file), options, file + ": ");
  if (!files.empty()) judge(files.back() + ": ");
  for (const auto& setting : settings) set_option(options, setting);
  if (!settings.empty()) judge("--set ");
  read_options(given, options, "command line: ");
  judge("command line: ");
  if (validate) validate(options.value, culprit);
}

std::string describe_options(Field options) {
  DescribeVisitor visitor("");
  options.type->fields(options.value, visitor);
  return visitor.text;
}

}  // namespace edgeclip::detail
