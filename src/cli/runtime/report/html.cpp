#include "cli/runtime/report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "base/utf8.h"

namespace edgeclip::report {

namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark;
  --page: #f6f7f9; --ink: #1d2733; --card: #fff; --line: #dfe3e8; --soft: #55606d; --head: #f3f5f8; --stripe: #fafbfc; --rule: #e4e8ec; --strong: #b8c1cb; --track: #eceff3; --thumb: #a9b3be;
  --marked: #fff1cf; --right: #2b7a3d; --wrong: #b3341f; }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #14181d; --ink: #e3e8ee; --card: #1c2229; --line: #323b45; --soft: #a3aebb;
    --head: #262e37; --stripe: #20272f; --rule: #313a44; --strong: #566270; --track: #262e37; --thumb: #566270;
    --marked: #45391a; --right: #66c07b; --wrong: #f0806a; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .5rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; line-height: 1.35; margin: 0 0 .8rem; overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 1.1rem 0 .5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1.1rem 1.2rem; margin: 1.1rem 0; }
.scroll { overflow-x: auto; margin-bottom: .6rem; }
.scroll::-webkit-scrollbar { height: 9px; }
.scroll::-webkit-scrollbar-track { background: var(--track); border-radius: 5px; }
.scroll::-webkit-scrollbar-thumb { background: var(--thumb); border-radius: 5px; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .36rem .5rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
th { border-bottom: 2px solid var(--strong); font-weight: 600; background: var(--head); vertical-align: bottom; }
td.number, th.number { text-align: right; }
td.number, td:first-child { white-space: nowrap; }
tbody tr { background: var(--card); }
tbody tr:nth-child(even) { background: var(--stripe); }
table.pairs th, table.pairs td { text-align: left; }
table.pairs td { white-space: normal; overflow-wrap: anywhere; }
table.pairs td:first-child { width: 40%; }
tbody tr.marked { background: var(--marked); }
.chart svg { fill: var(--ink); }
.chart .grid { stroke: var(--rule); }
.chart .frame { stroke: var(--soft); }
.hits { display: flex; flex-wrap: wrap; gap: .6rem; margin: .4rem 0 1.1rem; }
.hits figure { margin: 0; text-align: center; }
.hits img, .hits .missing { height: 10rem; width: auto; max-width: 14rem; border: 4px solid var(--right); border-radius: 4px; }
.hits .missing { width: 5rem; display: flex; align-items: center; color: var(--soft); font-size: .8rem; }
.hits .wrong img, .hits .wrong .missing { border: 4px dashed var(--wrong); }
.hits .right figcaption { color: var(--right); }
.hits .wrong figcaption { color: var(--wrong); }
.query { margin: 0; }
summary { cursor: pointer; }
figure { margin: 0 0 .8rem; }
figure img, figure svg { max-width: 100%; height: auto; display: block; margin: 0 auto; }
figure.chart svg { width: 100%; max-width: 38rem; }
figcaption, .note { color: var(--soft); font-size: .9rem; margin-top: .35rem; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1rem; }
footer { color: var(--soft); font-size: .85rem; margin-top: 1.5rem; }
@media screen and (prefers-color-scheme: dark) {
  .s0 { --series: #6aa9ee; } .s1 { --series: #f0905c; } .s2 { --series: #66c07b; } .s3 { --series: #bd8be0; }
  .s4 { --series: #d3b432; } .s5 { --series: #4fc3c9; } .s6 { --series: #ef7fb4; } .s7 { --series: #aab4bf; }
  .chart .curve { stroke: var(--series); }
  .chart .dot { fill: var(--series); }
}
@media (max-width: 40rem) {
  main { padding: .8rem .4rem 2rem; }
  h1 { font-size: 1.45rem; }
  section { padding: .8rem .6rem; }
  table { font-size: .72rem; line-height: 1.4; }
  th, td { padding: .3rem .18rem; }
  td:first-child { white-space: normal; }
  table:not(.pairs) tr > :first-child { position: sticky; left: 0; background: inherit; }
  table:not(.pairs) thead tr > :first-child { background: var(--head); }
}
@media print {
  body { background: #fff; font-size: 11pt; }
  main { max-width: none; padding: 0; }
  section { border: 0; padding: 0; }
  h2, thead { break-after: avoid; }
  tr, figure { break-inside: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 8.5pt; }
  th, td { padding: .2rem .3rem; }
}
)";

bool looks_like_number(const std::string& text) {
  if (text == "—") return true;  // a number that is not there
  bool digit = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9')
      digit = true;
    else if (std::string_view("+-.,e %").find(c) == std::string_view::npos)
      return false;
  }
  return digit;
}

/// Columns of which most filled cells are numbers.
std::vector<bool> number_columns(const Table& table) {
  std::vector<bool> numbers(table.columns.size());
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    int filled = 0, number = 0;
    for (const auto& row : table.rows) {
      if (i >= row.size() || row[i].empty()) continue;
      ++filled;
      number += looks_like_number(row[i]) ? 1 : 0;
    }
    numbers[i] = 2 * number > filled;
  }
  return numbers;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 0x3F)),
            static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    out += {static_cast<char>(0xF0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 0x3F)),
            static_cast<char>(0x80 | ((c >> 6) & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : utf8_to_utf32(text)) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        append_utf8(out, c);
    }
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    out += kDigits[group >> 18 & 63];
    out += kDigits[group >> 12 & 63];
    out += left > 1 ? kDigits[group >> 6 & 63] : '=';
    out += left > 2 ? kDigits[group & 63] : '=';
  }
  return out;
}

std::string html_table(const Table& table) {
  const auto numbers = number_columns(table);
  const auto cell = [&](const char* tag, std::size_t i, const std::string& text) {
    const bool number = i < numbers.size() && numbers[i];
    return fmt::format("<{0}{1}>{2}</{0}>", tag, number ? " class=\"number\"" : "", escape_html(text));
  };
  // Reached by keyboard, a region that is too wide for the window scrolls with the arrow keys.
  std::string html = fmt::format("<div class=\"scroll\" tabindex=\"0\"><table{}>\n",
                                 table.columns.size() == 2 ? " class=\"pairs\"" : "");
  if (std::any_of(table.columns.begin(), table.columns.end(), [](const auto& c) { return !c.empty(); })) {
    html += "<thead><tr>";
    for (std::size_t i = 0; i < table.columns.size(); ++i) html += cell("th", i, table.columns[i]);
    html += "</tr></thead>\n";
  }
  html += "<tbody>\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const auto& row = table.rows[r];
    html += r < table.marked.size() && table.marked[r] ? "<tr class=\"marked\">" : "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) html += cell("td", i, row[i]);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string image_uri(const std::string& bytes) {
  const char* type = bytes.rfind("\x89PNG\r\n\x1a\n", 0) == 0 ? "image/png"
                     : bytes.rfind("\xff\xd8\xff", 0) == 0    ? "image/jpeg"
                                                              : nullptr;
  return type == nullptr ? std::string() : fmt::format("data:{};base64,{}", type, base64(bytes));
}

std::string html_image(const std::filesystem::path& path, const std::string& bytes, const std::string& alt,
                       const std::string& caption) {
  const std::string uri = image_uri(bytes);
  if (uri.empty()) invalid_input("{}: is neither PNG nor JPEG; a report shows these two", path.string());
  return fmt::format("<figure><img src=\"{}\" alt=\"{}\"><figcaption>{}</figcaption></figure>\n", uri,
                     escape_html(alt), escape_html(caption));
}

std::string html_details(const std::string& summary, const std::string& body) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", escape_html(summary), body);
}

std::string html_section(const std::string& title, const std::string& body) {
  return fmt::format("<section>\n<h2>{}</h2>\n{}</section>\n", escape_html(title), body);
}

std::string html_page(const std::string& title, const std::string& body, const std::string& footer) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"generator\" "
      "content=\"edgeclip\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n<title>{0}</title>\n<style>{1}</style>\n"
      "</head>\n<body>\n<main>\n<h1>{0}</h1>\n{2}<footer>{3}</footer>\n</main>\n</body>\n</html>\n",
      escape_html(title), kStyle, body, escape_html(footer));
}

}  // namespace edgeclip::report
