#include "data/augment/flip.h"

#include <algorithm>
#include <array>

#include "data/augment/probability.h"
#include "data/text/unicode.h"

namespace edgeclip {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool same_word(std::string_view text, std::string_view word) {
  return text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

/// "right" for a word that begins with "left" and is a side, "left" for the other one, "" for any other word.
std::string_view opposite_of(std::string_view word) {
  constexpr std::array<std::string_view, 7> kEndings = {"",     "most",   "ward", "wards",
                                                        "hand", "handed", "side"};
  const auto is_side = [&](std::string_view side) {
    return word.size() >= side.size() && same_word(word.substr(0, side.size()), side) &&
           std::any_of(kEndings.begin(), kEndings.end(),
                       [&](std::string_view end) { return same_word(word.substr(side.size()), end); });
  };
  return is_side("left") ? "right" : is_side("right") ? "left" : "";
}

/// `word` in the case of `model`: all capitals, a capital first, or small.
void append_in_case_of(std::string_view model, std::string_view word, std::string& out) {
  const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  const bool first = is_capital(model[0]), all = first && is_capital(model[1]);
  for (std::size_t i = 0; i < word.size(); ++i)
    out += all || (first && i == 0) ? static_cast<char>(word[i] - ('a' - 'A')) : word[i];
}

/// Calls visit(text between words, word, its opposite or "") for each word; the last word may be empty.
template <class Visit>
void for_each_word(std::string_view text, Visit visit) {
  std::size_t gap = 0, begin = 0;  // of the text between words, and of the word
  const auto flush = [&](std::size_t end) {
    visit(text.substr(gap, begin - gap), text.substr(begin, end - begin),
          opposite_of(text.substr(begin, end - begin)));
    gap = end;
  };
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const bool letter = unicode::is_letter(unicode::next(text, &at));
    if (letter && !inside) begin = start;
    if (!letter && inside) flush(start);
    inside = letter;
  }
  if (!inside) begin = text.size();
  flush(text.size());
}

}  // namespace

void FlipOptions::validate(const std::string& where) const {
  require_probability(where, "probability", probability);
}

bool names_side(std::string_view caption) {
  bool found = false;
  for_each_word(caption, [&](std::string_view, std::string_view, std::string_view opposite) {
    found |= !opposite.empty();
  });
  return found;
}

std::string swap_sides(std::string_view caption) {
  std::string out;
  for_each_word(caption, [&](std::string_view gap, std::string_view word, std::string_view opposite) {
    out += gap;
    if (opposite.empty()) {
      out += word;
      return;
    }
    append_in_case_of(word, opposite, out);
    out += word.substr(opposite == "right" ? 4 : 5);  // "most" of "leftmost"
  });
  return out;
}

}  // namespace edgeclip
