#include "data/synthetic/attributes.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/error.h"

namespace edgeclip::synthetic {
namespace {

constexpr NamedColour kColours[] = {
    {"black", 200, 260, 0.00, 0.15, 0.06, 0.14},
    {"charcoal", 190, 250, 0.00, 0.10, 0.24, 0.33},
    {"grey", 190, 250, 0.00, 0.08, 0.48, 0.64},
    {"white", 30, 60, 0.00, 0.06, 0.88, 0.99},
    {"red", 352, 366, 0.78, 0.95, 0.62, 0.90},
    {"pink", 330, 348, 0.28, 0.48, 0.86, 0.98},
    {"orange", 18, 28, 0.80, 0.95, 0.85, 0.98},
    {"yellow", 46, 56, 0.68, 0.90, 0.85, 0.98},
    {"green", 110, 145, 0.50, 0.80, 0.34, 0.58},
    {"light blue", 198, 212, 0.30, 0.48, 0.82, 0.96},
    {"blue", 212, 226, 0.70, 0.90, 0.58, 0.84},
    {"navy", 222, 236, 0.50, 0.72, 0.19, 0.30},
    {"purple", 268, 286, 0.48, 0.70, 0.40, 0.60},
    {"brown", 20, 30, 0.50, 0.70, 0.34, 0.46},
    {"dark brown", 16, 26, 0.38, 0.55, 0.15, 0.21},
    {"beige", 34, 44, 0.20, 0.34, 0.76, 0.90},
    // Hair and denim have shades of their own.
    {"black hair", 15, 30, 0.10, 0.30, 0.05, 0.13},
    {"brown hair", 20, 30, 0.45, 0.65, 0.24, 0.36},
    {"blond hair", 38, 48, 0.40, 0.58, 0.74, 0.88},
    {"grey hair", 30, 60, 0.00, 0.06, 0.55, 0.72},
    {"red hair", 12, 20, 0.65, 0.80, 0.48, 0.62},
    {"blue jeans", 212, 222, 0.48, 0.64, 0.46, 0.60},
    {"light blue jeans", 206, 216, 0.22, 0.36, 0.66, 0.82},
    {"navy jeans", 216, 230, 0.40, 0.58, 0.22, 0.32},
};

using Words = std::vector<std::string>;

struct Upper {
  std::string type, colour, pattern, colour2;
};
struct Lower {
  std::string type, colour;
};

const Words kClothColours = {"black", "charcoal",   "grey", "white", "red",    "pink",  "orange", "yellow",
                             "green", "light blue", "blue", "navy",  "purple", "brown", "beige"};

void add(std::vector<Upper>& all, const std::string& type, const std::string& pattern, const Words& colours) {
  for (const auto& colour : colours) all.push_back({type, colour, pattern, ""});
}

const std::vector<std::pair<std::string, std::string>> kTwoColours = {
    {"red", "navy"},  {"white", "navy"},  {"light blue", "navy"}, {"grey", "black"},
    {"red", "black"}, {"white", "red"},   {"yellow", "navy"},     {"green", "black"},
    {"navy", "grey"}, {"black", "white"}, {"orange", "grey"},     {"blue", "white"}};

std::vector<Upper> make_uppers() {
  std::vector<Upper> all;
  for (const char* type :
       {"t-shirt", "shirt", "sweater", "hoodie", "jacket", "hooded jacket", "puffer jacket"})
    add(all, type, "plain", kClothColours);
  add(all, "leather jacket", "plain", {"black", "brown", "dark brown"});
  add(all, "long coat", "plain",
      {"black", "charcoal", "grey", "white", "red", "green", "light blue", "blue", "navy", "purple", "brown",
       "beige"});
  const Words striped = {"black", "white", "red", "green", "blue", "navy", "light blue", "purple"};
  for (const char* type : {"t-shirt", "shirt", "sweater"}) add(all, type, "striped", striped);
  const Words checked = {"red", "green", "blue", "grey", "brown", "yellow", "purple"};
  for (const char* type : {"shirt", "jacket", "long coat"}) add(all, type, "checked", checked);
  for (const char* type : {"t-shirt", "sweater", "hoodie", "jacket", "hooded jacket", "puffer jacket"})
    for (const auto& [top, bottom] : kTwoColours) all.push_back({type, top, "two-coloured", bottom});
  return all;
}

std::vector<Upper> make_dresses() {
  std::vector<Upper> all;
  add(all, "dress", "plain", kClothColours);
  add(all, "dress", "striped", {"black", "red", "blue", "navy", "green"});
  add(all, "dress", "checked", {"red", "blue", "grey"});
  return all;
}

std::vector<Lower> make_lowers(bool woman) {
  std::vector<Lower> all;
  const auto add_lower = [&](const char* type, const Words& colours) {
    for (const auto& colour : colours) all.push_back({type, colour});
  };
  add_lower("trousers",
            {"black", "charcoal", "grey", "white", "navy", "blue", "brown", "beige", "green", "red"});
  add_lower("jeans", {"blue", "light blue", "navy", "black", "grey"});
  add_lower("shorts", {"black", "grey", "white", "navy", "blue", "beige", "green", "red"});
  if (woman) add_lower("skirt", {"black", "grey", "white", "navy", "blue", "red", "pink", "green", "beige"});
  return all;
}

/// Blocks of the numbering: men, women, women in dresses.
struct Space {
  const std::vector<Upper> uppers = make_uppers(), dresses = make_dresses();
  const std::vector<Lower> men = make_lowers(false), women = make_lowers(true);
  const std::int64_t men_count = static_cast<std::int64_t>(uppers.size() * men.size());
  const std::int64_t women_count = static_cast<std::int64_t>(uppers.size() * women.size());
  const std::int64_t count = men_count + women_count + static_cast<std::int64_t>(dresses.size());
};

const Space& space() {
  static const Space instance;
  return instance;
}

std::string weighted(Rng& rng, std::initializer_list<std::pair<const char*, int>> choices) {
  int total = 0;
  for (const auto& choice : choices) total += choice.second;
  std::int64_t at = rng.below(total);
  for (const auto& choice : choices)
    if ((at -= choice.second) < 0) return choice.first;
  return choices.begin()->first;
}

}  // namespace

const NamedColour& colour_named(const std::string& name) {
  const auto* found =
      std::find_if(std::begin(kColours), std::end(kColours), [&](const auto& c) { return name == c.name; });
  EDGECLIP_CHECK(found != std::end(kColours), "no colour named \"{}\"", name);
  return *found;
}

std::int64_t description_count() { return space().count; }

Attributes description(std::int64_t number) {
  const Space& s = space();
  EDGECLIP_CHECK(number >= 0 && number < s.count, "description {}", number);
  Attributes a;
  const auto set_upper = [&](const Upper& upper) {
    a.upper = upper.type;
    a.upper_colour = upper.colour;
    a.upper_pattern = upper.pattern;
    a.upper_colour2 = upper.colour2;
  };
  if (number >= s.men_count + s.women_count) {
    a.gender = "woman";
    set_upper(s.dresses[static_cast<std::size_t>(number - s.men_count - s.women_count)]);
    return a;
  }
  const bool woman = number >= s.men_count;
  const auto& lowers = woman ? s.women : s.men;
  const auto at = static_cast<std::size_t>(woman ? number - s.men_count : number);
  a.gender = woman ? "woman" : "man";
  set_upper(s.uppers[at / lowers.size()]);
  a.lower = lowers[at % lowers.size()].type;
  a.lower_colour = lowers[at % lowers.size()].colour;
  return a;
}

std::int64_t description_number(std::uint64_t seed, std::int64_t i) {
  EDGECLIP_CHECK(i >= 0, "person {}", i);
  const std::int64_t count = description_count();
  int half = 1;  // bits of one half of the Feistel network, so that 4^half >= count
  while ((std::int64_t{1} << (2 * half)) < count) ++half;
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  auto x = static_cast<std::uint64_t>(i % count);
  do {  // cycle walking: a permutation of [0, 4^half) restricted to [0, count) is one of [0, count)
    std::uint64_t left = x >> half, right = x & mask;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const std::uint64_t next = left ^ (mix64(right + mix64(seed * 4 + round + 0x51ED270B)) & mask);
      left = right;
      right = next;
    }
    x = left << half | right;
  } while (x >= static_cast<std::uint64_t>(count));
  return static_cast<std::int64_t>(x);
}

bool reserved_for_test(std::int64_t number) {
  return mix64(static_cast<std::uint64_t>(number) + 0x7E57ull) % 4 == 0;
}

Attributes draw_attributes(std::uint64_t seed, std::int64_t i) {
  Attributes a = description(description_number(seed, i));
  Rng rng = Rng::stream(seed, static_cast<std::uint64_t>(i), 0xA77);
  const bool woman = a.gender == "woman";
  a.hair_length = woman ? weighted(rng, {{"long", 50}, {"short", 22}, {"curly", 28}})
                        : weighted(rng, {{"short", 78}, {"bald", 14}, {"long", 8}});
  if (a.hair_length != "bald")
    a.hair_colour = weighted(rng, {{"black", 34}, {"brown", 24}, {"blond", 20}, {"grey", 14}, {"red", 8}});
  a.hat = a.hair_length == "bald" || has_hood(a.upper)
              ? "none"
              : weighted(rng, {{"none", 82}, {"cap", 7}, {"beanie", 6}, {"hat", 5}});
  if (a.hat != "none") a.hat_colour = rng.pick(kClothColours);
  if (is_outerwear(a.upper) && a.upper_pattern == "plain" && a.upper != "puffer jacket" && rng.chance(0.3))
    a.inner_colour = weighted(rng, {{"white", 3}, {"black", 3}, {"red", 1}, {"light blue", 1}, {"grey", 1}});
  if (a.inner_colour == a.upper_colour) a.inner_colour.clear();
  a.shoe_colour =
      weighted(rng, {{"black", 34}, {"brown", 22}, {"white", 26}, {"grey", 10}, {"red", 4}, {"blue", 4}});
  a.bag = woman ? weighted(rng, {{"none", 45}, {"handbag", 22}, {"shoulder bag", 20}, {"backpack", 13}})
                : weighted(rng, {{"none", 58}, {"backpack", 26}, {"shoulder bag", 16}});
  if (a.bag != "none")
    a.bag_colour = weighted(rng, {{"black", 30},
                                  {"brown", 18},
                                  {"red", 12},
                                  {"blue", 10},
                                  {"grey", 10},
                                  {"green", 6},
                                  {"white", 6},
                                  {"yellow", 4},
                                  {"pink", 4}});
  if (a.bag_colour == a.upper_colour) a.bag_colour = a.upper_colour == "black" ? "brown" : "black";
  a.carry =
      a.bag == "handbag"
          ? "none"
          : weighted(rng, {{"none", 72}, {"paper", 14}, {"envelope", 5}, {"paper bag", 5}, {"umbrella", 4}});
  return a;
}

}  // namespace edgeclip::synthetic
