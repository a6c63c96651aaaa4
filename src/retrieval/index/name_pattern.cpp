#include "retrieval/index/name_pattern.h"

#include <ctime>
#include <filesystem>
#include <regex>
#include <vector>

#include "base/error.h"
#include "base/parse_number.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

/// A field of a pattern and how it is read from its text.
struct Field {
  std::string name;    ///< person, camera, frame, track, time
  std::string format;  ///< of a time
};

std::string escaped(char c) {
  constexpr std::string_view kSpecial = R"(\^$.|?*+()[]{}/)";
  return kSpecial.find(c) == std::string_view::npos ? std::string(1, c) : std::string("\\") + c;
}

/// What strptime() would read, as an expression of fixed width where it can be.
std::string expression_of(const std::string& format, const std::string& pattern) {
  std::string expression;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      expression += escaped(format[i]);
      continue;
    }
    const char letter = ++i < format.size() ? format[i] : '\0';
    switch (letter) {
      case 'Y': expression += "\\d{4}"; break;
      case 'y': case 'm': case 'd': case 'H': case 'M': case 'S': expression += "\\d{2}"; break;
      case 'j': expression += "\\d{3}"; break;
      case 's': expression += "\\d+"; break;
      default: invalid_input("name pattern \"{}\": a time has no %{}; it may have %Y %y %m %d %j %H %M %S %s", pattern, letter == '\0' ? ' ' : letter);
    }
  }
  return expression;
}

bool number_of(const std::string& text, std::int64_t* value) {
  const auto number = parse_number<std::int64_t>(text);
  if (number) *value = *number;
  return number.has_value();
}

}  // namespace

struct NamePattern::State {
  std::regex expression;
  std::vector<Field> fields;
  std::int64_t zone = 0;
  std::size_t parts = 1;  ///< of a path that are compared

  bool time_of(const std::string& text, const std::string& format, std::int64_t* time) const {
    std::tm tm{};
    tm.tm_mday = 1;
    tm.tm_year = 70;
    const char* const end = ::strptime(text.c_str(), format.c_str(), &tm);
    if (end == nullptr || *end != '\0') return false;
    if (format == "%s") {
      constexpr std::int64_t kLatest = 253'402'300'799;  // the year 9999
      const auto seconds = parse_number<std::int64_t>(text);
      if (!seconds || *seconds > kLatest) return false;
      *time = *seconds * 1'000'000;
      return true;
    }
    *time = (static_cast<std::int64_t>(::timegm(&tm)) - zone) * 1'000'000;
    return true;
  }
};

NamePattern::NamePattern(const std::string& pattern, std::int64_t zone) : state_(std::make_unique<State>()) {
  state_->zone = zone;
  std::string expression;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '*') {
      expression += "[^/]*";
    } else if (pattern[i] == '{') {
      const std::size_t end = pattern.find('}', i);
      if (end == std::string::npos) invalid_input("name pattern \"{}\": a {{ is never closed", pattern);
      const std::string inside = pattern.substr(i + 1, end - i - 1);
      const std::size_t colon = inside.find(':');
      Field field{inside.substr(0, colon), colon == std::string::npos ? "" : inside.substr(colon + 1)};
      if (field.name == "time" && !field.format.empty())
        expression += "(" + expression_of(field.format, pattern) + ")";
      else if (field.name == "camera" && colon == std::string::npos)
        expression += "([^/]+?)";
      else if ((field.name == "person" || field.name == "frame" || field.name == "track") && colon == std::string::npos)
        expression += "(-?\\d+)";
      else
        invalid_input("name pattern \"{}\": {{{}}} is none of {{person}}, {{camera}}, {{frame}}, {{track}}, {{time:%Y%m%d-%H%M%S}}", pattern, inside);
      for (const Field& other : state_->fields)
        if (other.name == field.name) invalid_input("name pattern \"{}\": {{{}}} is there twice", pattern, field.name);
      state_->fields.push_back(std::move(field));
      i = end;
    } else {
      if (pattern[i] == '/') ++state_->parts;
      expression += escaped(pattern[i]);
    }
  }
  if (state_->fields.empty()) invalid_input("name pattern \"{}\": reads nothing; write {{camera}} or another field where it stands", pattern);
  state_->expression.assign(expression, std::regex::ECMAScript | std::regex::optimize);
}

NamePattern::~NamePattern() = default;
NamePattern::NamePattern(NamePattern&&) noexcept = default;

bool NamePattern::read(GalleryItem& item) const {
  const fs::path path = fs::path(item.path).replace_extension();
  std::size_t from = static_cast<std::size_t>(std::distance(path.begin(), path.end()));
  if (from < state_->parts) return false;
  from -= state_->parts;
  std::string name;
  std::size_t at = 0;
  for (const fs::path& part : path)
    if (at++ >= from) name += (name.empty() ? "" : "/") + part.string();
  std::smatch match;
  if (!std::regex_match(name, match, state_->expression)) return false;
  GalleryItem read = item;
  for (std::size_t k = 0; k < state_->fields.size(); ++k) {
    const Field& field = state_->fields[k];
    const std::string text = match[k + 1].str();
    bool good = true;
    if (field.name == "camera") read.camera = text;
    if (field.name == "person") good = number_of(text, &read.id);
    if (field.name == "frame") good = number_of(text, &read.frame);
    if (field.name == "track") good = number_of(text, &read.track);
    if (field.name == "time") good = state_->time_of(text, field.format, &read.time);
    if (!good) return false;
  }
  item = std::move(read);
  return true;
}

}  // namespace edgeclip
