#include "base/options.h"

#include "support/support.h"

namespace edgeclip {
namespace {

struct Inner {
  int rank = 16;
  double alpha = 0.1;
  std::vector<std::string> targets = {"q", "k"};
  std::string bias = "none";
  template <class Visitor>
  void fields(Visitor& v) {
    v("rank", rank, "r");
    v("alpha", alpha, "scale");
    v("targets", targets, "suffixes");
    v("bias", bias, "which biases", {"none", "all"});
  }
};

struct Outer {
  Inner lora;
  bool on = false;
  std::uint8_t small = 3;
  std::vector<Inner> list;
  template <class Visitor>
  void fields(Visitor& v) {
    v("lora", lora, "adapter");
    v("on", on, "switch");
    v("small", small, "a byte");
    v("list", list, "more");
  }
  void validate(const std::string& where) const {
    if (lora.rank < 1) invalid_input("{}lora.rank: must be positive", where);
  }
};

std::string message(const std::string& json) {
  return test::invalid_input_of([&] {
    Outer options;
    options_from_json(Json::parse(json), options, "c.json: ");
  });
}

TEST(Options, PrintsAndReadsBackEveryField) {
  Outer options;
  options.lora.rank = 4;
  options.list.resize(1);
  options.list[0].alpha = 2.5;
  const Json json = options_to_json(options);
  Outer again;
  options_from_json(json, again, "");
  EXPECT_EQ(options_to_json(again), json);
  EXPECT_EQ(json["lora"]["rank"], 4);
  EXPECT_EQ(json["list"][0]["alpha"], 2.5);
}

TEST(Options, UnknownKeyNamesTheNearest) {
  EXPECT_EQ(message(R"({"lora": {"rnak": 3}})"), "c.json: lora.rnak: unknown key; did you mean \"rank\"?");
  EXPECT_EQ(message(R"({"zzzzzzzz": 3})"), "c.json: zzzzzzzz: unknown key; known: lora, on, small, list");
}

TEST(Options, WrongTypesAndValuesSayWhatWasFound) {
  EXPECT_EQ(message(R"({"lora": {"rank": "x"}})"),
            "c.json: lora.rank: expected an integer, found the string \"x\"");
  EXPECT_EQ(message(R"({"lora": {"rank": 1.5}})"),
            "c.json: lora.rank: expected an integer, found the number 1.5");
  EXPECT_EQ(message(R"({"on": 1})"), "c.json: on: expected true or false, found the number 1");
  EXPECT_EQ(message(R"({"small": 256})"), "c.json: small: 256 is out of range");
  EXPECT_EQ(message(R"({"lora": {"targets": [1]}})"),
            "c.json: lora.targets[0]: expected a string, found the number 1");
  EXPECT_EQ(message(R"({"lora": {"bias": "al"}})"),
            "c.json: lora.bias: \"al\" is not one of its values; did you mean \"all\"?");
  EXPECT_EQ(message(R"({"lora": {"bias": "\"all\""}})"),
            "c.json: lora.bias: \"\\\"all\\\"\" is not one of its values; did you mean \"all\"?");
  EXPECT_EQ(message("[1]"), "c.json: expected an object, found a list");
  EXPECT_EQ(message(R"({"lora": 3})"), "c.json: lora: expected an object, found the number 3");
  EXPECT_EQ(message(R"({"lora": {"rank": 0}})"), "c.json: lora.rank: must be positive");
}

TEST(Options, SetReadsTheValueAsTheFieldSays) {
  Outer options;
  set_option(options, "lora.rank=8");
  set_option(options, "lora.alpha=3");
  set_option(options, "lora.bias=all");
  set_option(options, "on=true");
  set_option(options, "lora.targets=[\"v\"]");
  EXPECT_EQ(options.lora.rank, 8);
  EXPECT_EQ(options.lora.alpha, 3);
  EXPECT_EQ(options.lora.bias, "all");
  EXPECT_TRUE(options.on);
  EXPECT_EQ(options.lora.targets, std::vector<std::string>{"v"});
}

TEST(Options, SetTakesAStringWithJsonsQuotesToo) {
  const auto bias = [](const std::string& text) {
    Outer options;
    set_option(options, "lora.bias=" + text);
    return options.lora.bias;
  };
  EXPECT_EQ(bias("\"all\""), "all");
  EXPECT_EQ(test::invalid_input_of([&] { bias("\"al\""); }),
            "--set lora.bias: \"al\" is not one of its values; did you mean \"all\"?");
  EXPECT_EQ(test::invalid_input_of([&] { bias("\"all"); }),
            "--set lora.bias: \"\\\"all\" is not one of its values; did you mean \"all\"?");
}

struct EveryKind {
  bool flag = true;
  std::int8_t i8 = -8;
  std::int16_t i16 = -16;
  int i32 = -32;
  std::int64_t i64 = -64;
  long long longest = -65;
  std::uint8_t u8 = 8;
  std::uint16_t u16 = 16;
  std::uint32_t u32 = 32;
  std::uint64_t u64 = 18446744073709551615u;
  float single = 0.1f;
  double twice = 0.2;
  std::map<std::string, double> numbers = {{"a", 1.5}};
  std::map<std::string, std::vector<int>> lists = {{"b", {1, 2}}};
  std::map<std::string, Inner> structs;
  template <class Visitor>
  void fields(Visitor& v) {
    v("flag", flag, "");
    v("i8", i8, "");
    v("i16", i16, "");
    v("i32", i32, "");
    v("i64", i64, "");
    v("longest", longest, "");
    v("u8", u8, "");
    v("u16", u16, "");
    v("u32", u32, "");
    v("u64", u64, "");
    v("single", single, "");
    v("twice", twice, "");
    v("numbers", numbers, "");
    v("lists", lists, "");
    v("structs", structs, "");
  }
};

TEST(Options, EveryKindOfFieldIsPrintedAndReadBack) {
  EveryKind options;
  const std::string printed =
      R"({"flag":true,"i8":-8,"i16":-16,"i32":-32,"i64":-64,"longest":-65,"u8":8,"u16":16,"u32":32,)"
      R"("u64":18446744073709551615,"single":0.1,"twice":0.2,"numbers":{"a":1.5},"lists":{"b":[1,2]},)"
      R"("structs":{}})";
  EXPECT_EQ(options_to_json(options).dump(), printed);
  const std::string others =
      R"({"flag":false,"i8":-128,"i16":-32768,"i32":-2147483648,"i64":-9223372036854775808,"longest":7,)"
      R"("u8":255,"u16":65535,"u32":4294967295,"u64":0,"single":3.5,"twice":1e-05,"numbers":{"x":1.0,"y":2.5},)"
      R"("lists":{},"structs":{"s":{"rank":3,"alpha":0.1,"targets":[],"bias":"all"}}})";
  options_from_json(Json::parse(others), options, "");
  EXPECT_EQ(options_to_json(options).dump(), others);
  EXPECT_EQ(options.structs.at("s").rank, 3);
  for (const char* beyond :
       {R"({"i8": 128})", R"({"i16": -32769})", R"({"i32": 2147483648})", R"({"u8": -1})",
        R"({"u16": 65536})", R"({"u32": 4294967296})", R"({"i64": 9223372036854775808})"})
    EXPECT_NE(test::invalid_input_of([&] {
                options_from_json(Json::parse(beyond), options, "");
              }).find("out of range"),
              std::string::npos)
        << beyond;
  EXPECT_EQ(test::invalid_input_of(
                [&] { options_from_json(Json::parse(R"({"structs": {"s": {"rank": "x"}}})"), options, ""); }),
            "structs[\"s\"].rank: expected an integer, found the string \"x\"");
}

TEST(Options, SetRefusesWrongTypesAndKeys) {
  const auto set = [](const std::string& text) {
    return test::invalid_input_of([&] {
      Outer options;
      set_option(options, text);
    });
  };
  EXPECT_EQ(set("lora.rank=abc"), "--set lora.rank: expected an integer, found \"abc\"");
  EXPECT_EQ(set("lora.rank=1.5"), "--set lora.rank: expected an integer, found the number 1.5");
  EXPECT_EQ(set("lora.rnk=1"), "--set lora.rnk: unknown key \"rnk\"; did you mean \"rank\"?");
  EXPECT_EQ(set("lora.rank.x=1"), "--set lora.rank.x: \"lora.rank\" has no keys below it");
  EXPECT_EQ(set("lora.rank"), "--set lora.rank: expected key.path=value");
  EXPECT_EQ(set("on=1"), "--set on: expected true or false, found \"1\"");
}

TEST(Options, FileThenSettings) {
  test::TempDir dir;
  test::write_text(dir / "c.json", R"({"lora": {"rank": 2, "alpha": 5}})");
  const auto options = load_options<Outer>({(dir / "c.json").string()}, {"lora.rank=3"});
  EXPECT_EQ(options.lora.rank, 3);
  EXPECT_EQ(options.lora.alpha, 5);
  test::write_text(dir / "list.json", "[1]");
  const std::string list = (dir / "list.json").string();
  EXPECT_EQ(test::invalid_input_of([&] { load_options<Outer>({list}, {}); }),
            list + ": expected an object, found a list");
}

struct Pair {
  int low = 0, high = 1;
  template <class Visitor>
  void fields(Visitor& v) {
    v("low", low, "");
    v("high", high, "");
  }
  void validate(const std::string& where) const {
    if (low >= high) invalid_input("{}low: {} is not below high", where, low);
  }
};

TEST(Options, ValuesThatAreRightOnlyTogetherCanBeSet) {
  EXPECT_EQ(load_options<Pair>({}, {"low=5", "high=6"}).low, 5);
  EXPECT_EQ(load_options<Pair>({}, {"low=5"}, {}, {{"high", 7}}).high, 7);
  EXPECT_EQ(test::invalid_input_of([] { load_options<Pair>({}, {"low=5"}); }),
            "--set low: 5 is not below high");
}

TEST(Options, DescriptionNamesEveryFieldWithDefault) {
  const std::string text = describe_options(Outer{});
  EXPECT_NE(text.find("lora.rank = 16"), std::string::npos);
  EXPECT_NE(text.find("[none|all]"), std::string::npos);
}

TEST(Json, ErrorsNameLineAndColumn) {
  test::TempDir dir;
  test::write_text(dir / "a.json", "{\n  \"a\": 1,\n  \"b\" 2\n}");
  EXPECT_EQ(test::invalid_input_of([&] { read_json(dir / "a.json"); }),
            (dir / "a.json").string() + ": not valid JSON at line 3, column 7; correct the file");
  test::write_text(dir / "b.json", "");
  EXPECT_NE(test::invalid_input_of([&] { read_json(dir / "b.json"); }).find("the file is empty"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { read_json(dir / "c.json"); }).find("cannot be opened"),
            std::string::npos);
}

TEST(Json, TypedAccessNamesTheKey) {
  const Json json = {{"a", "x"}, {"n", -1}, {"big", 3000000000}};
  EXPECT_EQ(json_get<std::string>(json, "a", "f"), "x");
  EXPECT_EQ(test::invalid_input_of([&] { json_get<int>(json, "a", "f"); }),
            "f: \"a\" must be an integer, not the string \"x\"");
  EXPECT_EQ(test::invalid_input_of([&] { json_get<int>(json, "b", "f"); }), "f: \"b\" is missing");
  EXPECT_NE(test::invalid_input_of([&] { json_get<int>(json, "big", "f"); }).find("in range"),
            std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { json_get<std::uint32_t>(json, "n", "f"); }).find("in range"),
            std::string::npos);
  EXPECT_EQ(json_get<std::int64_t>(json, "big", "f"), 3000000000);
}

struct Rare {
  int usual = 1;
  std::vector<int> rare;
  template <class Visitor>
  void fields(Visitor& v) {
    v("usual", usual, "in all files");
    v.unless({}, "rare", rare, "in few");
  }
};

TEST(Options, WhatFewFilesHaveIsWrittenInThemAlone) {
  Rare options;
  EXPECT_EQ(options_to_json(options).dump(), R"({"usual":1})");
  set_option(options, "rare=[2,3]");
  EXPECT_EQ(options_to_json(options).dump(), R"({"usual":1,"rare":[2,3]})");
  Rare read;
  options_from_json(options_to_json(options), read, "f: ");
  EXPECT_EQ(read.rare, (std::vector<int>{2, 3}));
  EXPECT_NE(describe_options(options).find("rare"), std::string::npos);
}

TEST(Options, OneTextIsAListOfOne) {
  Outer options;
  options_from_json(Json::parse(R"({"lora": {"targets": "v"}})"), options, "");
  EXPECT_EQ(options.lora.targets, std::vector<std::string>{"v"});
  set_option(options, "lora.targets=out/plan");
  EXPECT_EQ(options.lora.targets, std::vector<std::string>{"out/plan"});
  set_option(options, R"(lora.targets=["a", "b"])");
  EXPECT_EQ(options.lora.targets, (std::vector<std::string>{"a", "b"}));
  EXPECT_NE(message(R"({"list": "text"})").find("list: expected a list, found"), std::string::npos);
  EXPECT_NE(test::invalid_input_of([&] { set_option(options, "list=text"); }).find("list: expected a list, found"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
