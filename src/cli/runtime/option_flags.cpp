#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/runtime/options_command.h"

namespace edgeclip {

namespace {

/// "memory_pool_mb" -> "--memory-pool-mb".
std::string flag_name(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

/// Puts what the user gives under its key.
template <class T>
std::function<void(const T&)> store(Json& given, const char* key) {
  return [&given, key](const T& value) { given[key] = value; };
}

template <class T>
void declare_number(CLI::App& app, Json& given, const char* key, T value, const char* doc, const char* type) {
  app.add_option_function<T>(flag_name(key), store<T>(given, key), doc)
      ->type_name(type)
      ->default_str(fmt::format("{}", value));
}

void declare_bool(CLI::App& app, Json& given, const char* key, bool value, const char* doc) {
  // What is on by default is offered as what switches it off.
  const std::string flag = flag_name(key);
  app.add_flag_function(
      value ? "--no-" + flag.substr(2) : flag, [&given, key, value](std::int64_t) { given[key] = !value; },
      value ? std::string("off: ") + doc : doc);
}

void declare_text(CLI::App& app, Json& given, const char* key, const std::string& value, const char* doc,
                  Choices choices) {
  std::string names;
  for (const char* choice : choices) names += (names.empty() ? "" : "|") + std::string(choice);
  const bool is_switch = std::any_of(choices.begin(), choices.end(), [](const char* c) { return std::string(c) == "yes"; });
  // Without a value it is switched on.
  const auto put = [&given, key, is_switch](const std::string& text) {
    given[key] = text.empty() && is_switch ? "yes" : text;
  };
  auto* option = app.add_option_function<std::string>(flag_name(key), put, doc);
  if (is_switch) option->expected(0, 1);
  option->type_name(names.empty() ? "TEXT" : names);
  if (!value.empty() && !is_switch) option->default_str(value);  // it would be what stands for no value
}

// One value per use, or numbers with commas: a greedy list would swallow what follows it.
void declare_texts(CLI::App& app, Json& given, const char* key, const char* doc) {
  using Texts = std::vector<std::string>;
  app.add_option_function<Texts>(flag_name(key), store<Texts>(given, key), doc)
      ->allow_extra_args(false)
      ->type_name("TEXT");
}

void declare_integers(CLI::App& app, Json& given, const char* key, const std::vector<int>& value,
                      const char* doc) {
  app.add_option_function<std::vector<int>>(flag_name(key), store<std::vector<int>>(given, key), doc)
      ->allow_extra_args(false)
      ->delimiter(',')
      ->type_name("N,N,...")
      ->default_str(fmt::format("{}", fmt::join(value, ",")));
}

}  // namespace

void FlagVisitor::visit(const char* key, detail::Field field, const char* doc, Choices choices) {
  using detail::FieldKind;
  const auto list_of = [&](FieldKind kind) {
    return field.type->kind == FieldKind::kList && field.type->item->kind == kind;
  };
  switch (field.type->kind) {
    case FieldKind::kOptions:
      return;
    case FieldKind::kBool:
      return declare_bool(app_, given_, key, *static_cast<bool*>(field.value), doc);
    case FieldKind::kInt32:
      return declare_number(app_, given_, key, *static_cast<std::int32_t*>(field.value), doc, "N");
    case FieldKind::kInt64:
      return declare_number(app_, given_, key, *static_cast<std::int64_t*>(field.value), doc, "N");
    case FieldKind::kUint64:
      return declare_number(app_, given_, key, *static_cast<std::uint64_t*>(field.value), doc, "N");
    case FieldKind::kDouble:
      return declare_number(app_, given_, key, *static_cast<double*>(field.value), doc, "X");
    case FieldKind::kString:
      return declare_text(app_, given_, key, *static_cast<std::string*>(field.value), doc, choices);
    default:
      break;
  }
  if (list_of(FieldKind::kString)) return declare_texts(app_, given_, key, doc);
  EDGECLIP_CHECK(list_of(FieldKind::kInt32), "the field {} has no form on the command line", key);
  declare_integers(app_, given_, key, *static_cast<std::vector<std::int32_t>*>(field.value), doc);
}

}  // namespace edgeclip
