#include "retrieval/gallery/time_text.h"

#include <cctype>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "retrieval/gallery/item.h"

namespace edgeclip {

namespace {

/// Reads from the front of a text.
class Reader {
 public:
  explicit Reader(const std::string& text) : at_(text.data()), end_(text.data() + text.size()) {}
  bool number(int digits, int low, int high, int* value) {
    if (end_ - at_ < digits) return false;
    for (int i = 0; i < digits; ++i)
      if (std::isdigit(static_cast<unsigned char>(at_[i])) == 0) return false;
    std::from_chars(at_, at_ + digits, *value);
    at_ += digits;
    return *value >= low && *value <= high;
  }
  bool take(const char* any) {
    for (const char* c = any; *c != 0; ++c)
      if (at_ < end_ && *at_ == *c) {
        ++at_;
        return true;
      }
    return false;
  }
  /// Behind a point, up to six digits that count.
  bool fraction(std::int64_t* microseconds) {
    std::int64_t unit = 100000;
    const char* const begin = at_;
    for (; at_ < end_ && std::isdigit(static_cast<unsigned char>(*at_)) != 0; ++at_, unit /= 10) *microseconds += (*at_ - '0') * unit;
    return at_ > begin;
  }
  bool ended() const { return at_ == end_; }
  char next() const { return at_ < end_ ? *at_ : '\0'; }

 private:
  const char* at_;
  const char* const end_;
};

/// "Z", "+01:00", "+0100" or "+01", to the end.
bool read_zone(Reader& r, std::int64_t* offset) {
  if (r.take("Z")) return r.ended();
  const int sign = r.next() == '+' ? 1 : -1;
  int hours = 0, minutes = 0;
  if (!r.take("+-") || !r.number(2, 0, 23, &hours)) return false;
  r.take(":");
  if (!r.ended() && !r.number(2, 0, 59, &minutes)) return false;
  *offset = sign * (hours * 60 + minutes) * std::int64_t{60};
  return r.ended();
}

bool read_time(const std::string& text, std::int64_t* time) {
  Reader r(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::int64_t micro = 0, offset = 0;
  if (!r.number(4, 0, 9999, &year) || !r.take("-") || !r.number(2, 1, 12, &month) || !r.take("-") || !r.number(2, 1, 31, &day)) return false;
  using namespace std::chrono;
  const year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return false;
  if (r.take("T ")) {
    if (!r.number(2, 0, 23, &hour) || !r.take(":") || !r.number(2, 0, 59, &minute)) return false;
    if (r.take(":") && (!r.number(2, 0, 60, &second) || (r.take(".") && !r.fraction(&micro)))) return false;
  }
  if (!r.ended() && !read_zone(r, &offset)) return false;
  const std::int64_t seconds = sys_days(date).time_since_epoch().count() * std::int64_t{86400} + hour * 3600 + minute * 60 + second - offset;
  *time = seconds * 1'000'000 + micro;
  return r.ended();
}

}  // namespace

std::int64_t parse_time(const std::string& text, const std::string& where) {
  std::int64_t time = 0;
  if (!read_time(text, &time)) invalid_input("{}: \"{}\" is no time; write it as 2026-01-31T12:30:00Z, or a day as 2026-01-31", where, text);
  return time;
}

std::int64_t parse_zone(const std::string& text, const std::string& where) {
  std::int64_t offset = 0;
  Reader reader(text);
  if (!read_zone(reader, &offset)) invalid_input("{}: \"{}\" is no offset from UTC; write Z, or +01:00", where, text);
  return offset;
}

std::string time_string(std::int64_t microseconds) {
  if (microseconds == kUnknownTime) return "";
  using namespace std::chrono;
  const sys_time<std::chrono::microseconds> time{std::chrono::microseconds(microseconds)};
  const sys_days day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss of_day(time - day);
  const std::int64_t micro = of_day.subseconds().count();
  std::string fraction = micro == 0 ? "" : fmt::format(".{:06}", micro);
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), of_day.hours().count(), of_day.minutes().count(), of_day.seconds().count(), fraction);
}

}  // namespace edgeclip
