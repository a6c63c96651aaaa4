#include "data/synthetic/caption.h"

#include <initializer_list>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/synthetic/attributes.h"

namespace edgeclip::synthetic {
namespace {

using Words = std::vector<std::string>;

/// Words for one value; no word stands for two values of the same attribute.  Repeated: more frequent.
const std::map<std::string, Words> kColourWords = {
    {"black", {"black", "black", "black", "dark"}},
    {"charcoal", {"charcoal", "dark grey", "dark grey"}},
    {"grey", {"grey", "grey", "gray"}},
    {"white", {"white"}},
    {"red", {"red", "red", "bright red"}},
    {"pink", {"pink"}},
    {"orange", {"orange"}},
    {"yellow", {"yellow"}},
    {"green", {"green"}},
    {"light blue", {"light blue", "light blue", "pale blue", "sky blue"}},
    {"blue", {"blue", "blue", "bright blue", "medium blue"}},
    {"navy", {"navy", "navy blue", "dark blue", "dark navy"}},
    {"purple", {"purple"}},
    {"brown", {"brown"}},
    {"dark brown", {"dark brown"}},
    {"beige", {"beige", "tan", "cream"}},
};

const std::map<std::string, Words> kUpperWords = {
    {"t-shirt", {"t-shirt", "t-shirt", "short-sleeved top"}},
    {"shirt", {"shirt", "shirt", "buttoned shirt"}},
    {"sweater", {"sweater", "jumper", "pullover"}},
    {"hoodie", {"hoodie", "hooded sweatshirt", "hooded top"}},
    {"jacket", {"jacket", "jacket", "zip jacket", "short jacket"}},
    {"hooded jacket", {"hooded jacket", "anorak", "hooded anorak"}},
    {"puffer jacket", {"puffer jacket", "puffy jacket", "quilted jacket", "padded jacket", "winter jacket"}},
    {"leather jacket", {"leather jacket"}},
    {"long coat", {"long coat", "coat", "knee-length coat", "overcoat"}},
    {"dress", {"dress"}},
};

const std::map<std::string, Words> kJeansWords = {
    {"blue", {"blue jeans", "blue jeans", "blue denim trousers"}},
    {"light blue", {"light blue jeans", "faded jeans", "faded blue jeans", "pale jeans"}},
    {"navy", {"dark blue jeans", "dark jeans", "dark blue denim trousers", "navy jeans"}},
    {"black", {"black jeans", "black denim trousers"}},
    {"grey", {"grey jeans", "grey denim trousers"}},
};

const std::map<std::string, Words> kHairWords = {
    {"black", {"black", "black", "dark"}},
    {"brown", {"brown", "dark brown"}},
    {"blond", {"blond", "fair", "blonde"}},
    {"grey", {"grey"}},
    {"red", {"red", "ginger"}},
};

/// The parts in a row.  Between braces the draws behind them come in the order written; with + they would
/// not, and the caption would depend on the compiler.
std::string cat(std::initializer_list<std::string> parts) {
  std::string text;
  for (const auto& part : parts) text += part;
  return text;
}

class Writer {
 public:
  Writer(const Attributes& a, bool sees_front, Rng& rng)
      : a_(a), front_(sees_front), rng_(rng), woman_(a.gender == "woman") {}

  std::string write() {
    const bool hair = rng_.chance(0.82);
    const std::string clothes = garments();
    const std::string extras = accessories();
    switch (rng_.below(7)) {
      case 0:
        return sentence(cat({subject(hair), " in ", clothes,
                             with_extras(extras, pick({" carrying ", " with ", " holding "}))}));
      case 1:
        return sentence(cat({subject(hair), " ", pick({"wears", "is wearing", "has on"}), " ", clothes,
                             and_carries(extras)}));
      case 2:
        return sentence(cat({subject(hair), " is dressed in ", clothes, and_carries(extras)}));
      case 3: {
        const std::string who = "the " + noun();
        if (!hair) return sentence(who + " has " + clothes + and_carries(extras));
        return sentence(
            cat({who, " has ", hair_phrase(), " and is dressed in ", clothes, and_carries(extras)}));
      }
      case 4:
        return sentence(
            cat({subject(hair), " in ", clothes, " is walking",
                 extras.empty() ? pick({"", " with empty hands", " along"}) : " with " + extras}));
      case 5: {
        const std::string who = pick({"the person", "a person", "the pedestrian"});
        return sentence(cat({who, " wears ", clothes, woman_ ? "; she " : "; he ", she_has(hair, extras)}));
      }
      default:
        return sentence(cat({"the ", noun(), " has ", clothes,
                             hair ? (extras.empty() ? " and " : ", ") + hair_phrase() : "",
                             extras.empty() ? "" : (hair ? ", and carries " : " and carries ") + extras}));
    }
  }

 private:
  std::string pick(std::initializer_list<const char*> words) {
    return *(words.begin() + rng_.below(static_cast<std::int64_t>(words.size())));
  }
  static const Words& words_of(const std::map<std::string, Words>& table, const std::string& value) {
    const auto it = table.find(value);
    EDGECLIP_CHECK(it != table.end(), "no words for \"{}\"", value);
    return it->second;
  }
  std::string colour(const std::string& value) { return rng_.pick(words_of(kColourWords, value)); }

  static std::string with_article(const std::string& words) {
    return (std::string("aeio").find(words[0]) != std::string::npos ? "an " : "a ") + words;
  }

  static std::string sentence(std::string text) {
    text[0] = static_cast<char>(text[0] - (text[0] >= 'a' && text[0] <= 'z' ? 32 : 0));
    return text + ".";
  }

  std::string noun() {
    return woman_ ? pick({"woman", "woman", "woman", "lady"}) : pick({"man", "man", "man", "gentleman"});
  }

  /// "long black hair", "very little hair".
  std::string hair_phrase() {
    if (a_.hair_length == "bald") return pick({"very little hair", "a bald head"});
    const std::string shade = rng_.pick(words_of(kHairWords, a_.hair_colour));
    if (a_.hair_length == "curly") return pick({"curly ", "wavy ", "short wavy "}) + shade + " hair";
    return a_.hair_length + " " + shade + " hair";
  }

  /// "a man with short black hair", "the blond woman", "a bald man".
  std::string subject(bool hair) {
    const std::string article = pick({"a ", "a ", "the "});
    if (!hair) return article + noun();
    if (a_.hair_length == "bald" && rng_.chance(0.7))
      return cat({article, pick({"bald ", "bald ", "balding "}), noun()});
    if (a_.hair_length != "bald" && rng_.chance(0.3)) {
      const std::string shade = rng_.pick(words_of(kHairWords, a_.hair_colour));
      if (a_.hair_colour == "blond" && woman_) return article + "blond " + noun();
      if (a_.hair_colour == "grey" && rng_.chance(0.4))
        return cat({article == "the " ? pick({"the old ", "the elderly "}) : pick({"an old ", "an elderly "}),
                    noun(), " with grey hair"});
      return article + shade + "-haired " + noun();
    }
    return cat({article, noun(), " with ", hair_phrase()});
  }

  std::string upper() {
    const std::string type = rng_.pick(words_of(kUpperWords, a_.upper)), first = colour(a_.upper_colour);
    std::string text;
    if (a_.upper_pattern == "striped") {
      text = rng_.chance(0.75) ? with_article("striped " + first + " " + type)
                               : with_article(first + " " + type + " with stripes");
    } else if (a_.upper_pattern == "checked") {
      text = with_article(pick({"checked ", "checked ", "plaid "}) + first + " " + type);
    } else if (a_.upper_pattern == "two-coloured") {
      const std::string second = colour(a_.upper_colour2);
      switch (rng_.below(3)) {
        case 0:
          text = with_article(first + " and " + second + " " + type);
          break;
        case 1:
          text = with_article(type + ", " + first + " on top and " + second + " below");
          break;
        default:
          text = with_article(type + " with " + first + " shoulders and " + with_article(second + " body"));
          break;
      }
    } else {
      text = with_article(first + " " + type);
    }
    if (front_ && !a_.inner_colour.empty() && rng_.chance(0.6))
      text += " over " + with_article(colour(a_.inner_colour) + " shirt");
    return text;
  }

  std::string lower() {
    if (a_.lower == "jeans") return rng_.pick(words_of(kJeansWords, a_.lower_colour));
    const std::string shade = colour(a_.lower_colour);
    if (a_.lower == "trousers") return shade + " " + pick({"trousers", "trousers", "pants"});
    if (a_.lower == "skirt") return with_article(shade + " skirt");
    return shade + " shorts";
  }

  /// Upper and lower garment, shoes and hat, as one enumeration.
  std::string garments() {
    Words parts = {upper()};
    if (!a_.lower.empty()) parts.push_back(lower());
    if (parts.size() == 2 && rng_.chance(0.12)) std::swap(parts[0], parts[1]);
    if (rng_.chance(0.6)) parts.push_back(shoes());
    if (a_.hat != "none" && rng_.chance(0.9))
      parts.push_back(with_article(colour(a_.hat_colour) + " " + a_.hat));
    const bool commas = parts[0].find(',') != std::string::npos ||
                        (parts.size() > 1 && parts[1].find(',') != std::string::npos);
    std::string text = parts[0];
    for (std::size_t k = 1; k < parts.size(); ++k)
      text += (k + 1 < parts.size() ? ", " : commas ? ", and " : " and ") + parts[k];
    return text;
  }

  std::string shoes() {
    return cat({colour(a_.shoe_colour), " ",
                a_.shoe_colour == "white" ? pick({"shoes", "trainers", "sneakers"})
                                          : pick({"shoes", "shoes", "boots"})});
  }

  /// "a black backpack and a white paper"; empty if nothing is carried or said of it.
  std::string accessories() {
    std::string text;
    if (a_.bag != "none" && rng_.chance(0.9)) {
      text = with_article(cat({colour(a_.bag_colour), " ",
                               a_.bag == "backpack" ? pick({"backpack", "backpack", "rucksack"}) : a_.bag}));
      if (a_.bag == "shoulder bag" && rng_.chance(0.3))
        text = with_article(colour(a_.bag_colour) + " bag on the shoulder");
    }
    if (a_.carry != "none" && rng_.chance(0.9)) {
      std::string thing = a_.carry == "paper" ? pick({"a white paper", "a sheet of paper", "white papers"})
                          : a_.carry == "envelope" ? "a brown envelope"
                          : a_.carry == "umbrella" ? "an umbrella"
                                                   : "a paper bag";
      if (rng_.chance(0.25)) thing += woman_ ? " in her hand" : " in his hand";
      text += (text.empty() ? "" : " and ") + thing;
    }
    return text;
  }

  static std::string with_extras(const std::string& extras, const std::string& verb) {
    return extras.empty() ? "" : verb + extras;
  }
  std::string and_carries(const std::string& extras) {
    return extras.empty() ? "" : pick({", and carries ", " and carries ", ", and holds "}) + extras;
  }
  std::string she_has(bool hair, const std::string& extras) {
    if (hair) return "has " + hair_phrase() + (extras.empty() ? "" : " and carries " + extras);
    return extras.empty() ? pick({"is walking", "is walking along"}) : "carries " + extras;
  }

  const Attributes& a_;
  const bool front_;
  Rng& rng_;
  const bool woman_;
};

}  // namespace

std::string write_caption(const Attributes& attributes, bool sees_front, Rng& rng) {
  return Writer(attributes, sees_front, rng).write();
}

}  // namespace edgeclip::synthetic
