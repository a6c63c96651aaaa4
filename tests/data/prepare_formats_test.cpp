#include <algorithm>
#include <map>
#include <set>

#include "base/csv.h"
#include "base/file.h"
#include "data/dataset/dataset.h"
#include "data/dataset/prepare.h"
#include "encode.h"
#include "support/support.h"

/// prepare over a small file of every published layout that has no real file in the tests' data, each with
/// the same faults: a missing file, a duplicate, an empty caption, a wrong type, a path that leaves the
/// folder, a truncated JPEG.
namespace edgeclip {
namespace {

namespace fs = std::filesystem;
using test::TempDir;
using test::write_text;

/// One row of a layout: (image, caption), and what invalid.csv says of it; "" if it is good.
struct Row {
  std::string path, caption, reason;
};

/// Two captions of a.jpg and one of b.jpg are good.
const std::vector<Row> kRows = {{"1/a.jpg", "A man in red.", ""},
                                {"2/b.jpg", "A woman in blue.", ""},
                                {"3/none.jpg", "Nobody.", "not found"},
                                {"1/a.jpg", "A man in red.", "duplicate"},
                                {"2/c.jpg", "  ", "blank"},
                                {"../out.jpg", "Outside.", "leaves the image folder"},
                                {"4/cut.jpg", "Half a picture.", "cut.jpg"},
                                {"1/a.jpg", "He walks.", ""}};

Json record(const Row& row, std::size_t i, const char* path_key) {
  return {
      {"split", i % 2 == 0 ? "train" : "test"}, {"id", i}, {path_key, row.path}, {"captions", {row.caption}}};
}

/// Lists of records: one id and split per image, so that the same image twice is the same person.
std::string records(const char* path_key) {
  Json list = Json::array();
  std::map<std::string, std::size_t> first;
  for (const Row& row : kRows)
    list.push_back(record(row, first.emplace(row.path, list.size()).first->second, path_key));
  list.push_back({{"split", "train"}, {"id", 9}, {path_key, 7}, {"captions", {"A number."}}});
  return list.dump();
}
std::string icfg() { return records("file_path"); }
std::string rstp() { return records("img_path"); }

/// JSON lines; one of them is no JSON.
std::string json_lines() {
  std::string text;
  for (const Json& one : Json::parse(icfg())) text += one.dump() + "\n";
  text.insert(text.find('\n') + 1, "\n");
  return text + "{\"split\": \"train\", \"id\": 1, \"file_pa";
}

std::string karpathy() {
  Json images = Json::array();
  for (const Row& row : kRows)
    images.push_back({{"filename", row.path}, {"split", "train"}, {"sentences", {{{"raw", row.caption}}}}});
  images.push_back({{"filename", "2/b.jpg"}, {"split", "train"}, {"sentences", {{{"raw", 7}}}}});
  return Json{{"images", images}, {"dataset", "flickr30k"}}.dump();
}

std::string coco() {
  Json images = Json::array(), annotations = Json::array();
  for (const Row& row : kRows) {
    const auto id = images.size();
    images.push_back({{"id", id}, {"file_name", row.path}});
    annotations.push_back({{"id", 100 + id}, {"image_id", id}, {"caption", row.caption}});
  }
  annotations.push_back({{"id", 200}, {"image_id", 1}, {"caption", nullptr}});
  return Json{{"images", images}, {"annotations", annotations}}.dump();
}

std::string lines(const char* header, const char* format) {
  std::string text = header;
  for (const Row& row : kRows) text += fmt::format(fmt::runtime(format), row.path, row.caption);
  return text;
}
std::string csv() {
  std::string text = "\xEF\xBB\xBFid,path,caption\n";  // a spreadsheet's byte order mark
  std::map<std::string, std::size_t> first;
  for (const Row& row : kRows)
    text += fmt::format("{:04},{},\"{}\"\n", first.emplace(row.path, first.size()).first->second, row.path,
                        row.caption);
  return text + "seven,1/a.jpg,A word for an id.\n";
}
std::string tsv() { return lines("path\tcaption\n", "{}\t{}\n") + "1/a.jpg\tone\ttoo many\n"; }
std::string tree() { return lines("", "{},\"{}\"\n") + "nofolder.jpg,No folder.\n"; }
std::string tokens() {
  std::string text;
  for (std::size_t i = 0; i < kRows.size(); ++i)
    text += fmt::format("{}#{}\t{}\n", kRows[i].path, i, kRows[i].caption);
  return text + "a line without a tab\n";
}

struct Layout {
  const char* format;
  std::string (*text)();
  const char* typed;   ///< reason of the last record, whose type or form is wrong
  bool image_per_row;  ///< two rows of one image are two images of one file: an identity each
  std::size_t reasons = 6;
};

class PrepareFormats : public testing::TestWithParam<Layout> {};

TEST_P(PrepareFormats, BrokenRecordsAreNamedAndNothingElseIsLost) {
  const Layout& layout = GetParam();
  TempDir dir;
  for (const char* name : {"1/a.jpg", "2/b.jpg", "2/c.jpg"}) {
    fs::create_directories((dir / ("images/" + std::string(name))).parent_path());
    write_text(dir / ("images/" + std::string(name)), test::encode_jpeg(test::picture(16, 24, 3)));
  }
  fs::create_directories(dir / "images/4");
  const std::string whole = test::encode_jpeg(test::picture(16, 24, 4));
  write_text(dir / "images/4/cut.jpg", whole.substr(0, whole.size() / 2));
  write_text(dir / "out.jpg", whole);
  write_text(dir / "annotations", layout.text());
  PrepareOptions options;
  options.annotations = (dir / "annotations").string();
  options.images = (dir / "images").string();
  options.out = (dir / "out").string();
  options.format = layout.format;
  options.tokenizer = "train:60";
  const bool has_split =
      layout.text == icfg || layout.text == rstp || layout.text == karpathy || layout.text == json_lines;
  options.split = has_split ? "annotated" : "0.5";
  const Json report = prepare_dataset(options);

  std::vector<std::string> reasons;
  for (const auto& row : read_csv_table(dir / "out/invalid.csv", {"record", "reason"}))
    reasons.push_back(row[1]);
  for (const Row& row : kRows) {
    if (row.reason.empty()) continue;
    const std::string wanted =
        row.reason == "duplicate" && layout.image_per_row ? "already used by record 0" : row.reason;
    const bool named = std::any_of(reasons.begin(), reasons.end(), [&](const auto& reason) {
      return reason.find(wanted) != std::string::npos;
    });
    EXPECT_TRUE(named) << row.reason << " in " << fmt::format("{}", fmt::join(reasons, " | "));
  }
  EXPECT_TRUE(std::any_of(reasons.begin(), reasons.end(), [&](const auto& reason) {
    return reason.find(layout.typed) != std::string::npos;
  })) << fmt::format("{}", fmt::join(reasons, " | "));
  EXPECT_EQ(reasons.size(), layout.reasons) << fmt::format("{}", fmt::join(reasons, " | "));
  const Dataset dataset = open_dataset(dir / "out");
  std::set<std::string> captions;
  for (const auto& pair : dataset.pairs) captions.insert(pair.path + " " + pair.caption);
  std::set<std::string> expected = {"1/a.jpg A man in red.", "2/b.jpg A woman in blue."};
  if (!layout.image_per_row) expected.insert("1/a.jpg He walks.");
  EXPECT_EQ(captions, expected);
  EXPECT_EQ(report["counts"]["pairs"], expected.size());
}

// In COCO and in Karpathy's JSON every entry of "images" is an image, and an identity, of its own, so that a
// second entry of one file contradicts the first.
INSTANTIATE_TEST_SUITE_P(
    Layouts, PrepareFormats,
    testing::Values(Layout{"icfg", icfg, "file_path must be a string", false},
                    Layout{"rstp", rstp, "file_path must be a string", false},
                    Layout{"flickr", karpathy, "captions[0] must be a string", true, 7},
                    Layout{"flickr", tokens, "is not", false},
                    Layout{"coco", coco, "annotation 200: caption must be a string, not null", true, 7},
                    Layout{"auto", json_lines, "line 11 is not valid JSON", false, 7},
                    Layout{"csv", csv, "id must be an integer", false},
                    Layout{"csv", tsv, "has 3 columns, the header 2", false},
                    Layout{"tree", tree, "is not \"id/image.jpg\" and a caption", false}),
    [](const auto& info) { return std::string(info.param.format) + std::to_string(info.index); });

TEST(AnnotationFiles, ATextOfColumnsWithoutAHeaderIsToldWhatAHeaderIs) {
  TempDir dir;
  const auto message = [&](const std::string& text, const char* format) {
    write_text(dir / "a.csv", text);
    PrepareOptions options;
    options.annotations = (dir / "a.csv").string();
    options.images = dir.path().string();
    options.out = (dir / "out").string();
    options.format = format;
    return test::invalid_input_of([&] { prepare_dataset(options); });
  };
  for (const char* format : {"auto", "csv"}) {
    const std::string headerless = message("1/a.jpg,7,\"A man in red, walking.\"\n", format);
    EXPECT_NE(headerless.find("a.csv: its first line, \"1/a.jpg,7,"), std::string::npos) << headerless;
    EXPECT_NE(headerless.find("names no columns"), std::string::npos) << headerless;
    EXPECT_NE(headerless.find("\"path,caption,id,split\""), std::string::npos) << headerless;
    EXPECT_NE(message("file,caption\na.jpg,A man.\n", format).find("no column of paths"), std::string::npos);
    EXPECT_NE(message("path\tsplit\na.jpg\ttrain\n", format).find("no column of captions"),
              std::string::npos);
  }
  EXPECT_NE(message("just words\n", "auto").find("of no known format"), std::string::npos);
  EXPECT_NE(message("just words\n", "csv").find("is not of format csv"), std::string::npos);
}

TEST(AnnotationFiles, ColumnsAreKnownInAnyCase) {
  TempDir dir;
  write_text(dir / "a.jpg", test::encode_jpeg(test::picture(16, 24, 3)));
  write_text(dir / "a.csv", "Split, Path ,Caption\nValidation,a.jpg,A man in red.\n");
  PrepareOptions options;
  options.annotations = (dir / "a.csv").string();
  options.images = dir.path().string();
  options.out = (dir / "out").string();
  options.tokenizer = "train:60";
  EXPECT_EQ(prepare_dataset(options)["splits"]["val"]["pairs"], 1);
}

TEST(AnnotationFiles, SplitsHaveTheirUsualNames) {
  const std::vector<std::pair<const char*, const char*>> names = {
      {"train", "train"},    {"Training", "train"}, {"VAL", "val"},     {"valid", "val"},
      {"validation", "val"}, {"dev", "val"},        {" test ", "test"}, {"testing", "test"}};
  TempDir dir;
  std::string rows = "split,path,caption\n";
  Json list = Json::array(), images = Json::array();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string image = fmt::format("{}.jpg", i);
    write_text(dir / image, test::encode_jpeg(test::picture(16, 24, static_cast<int>(i))));
    rows += fmt::format("{},{},A man in red.\n", names[i].first, image);
    list.push_back(
        {{"split", names[i].first}, {"id", i}, {"file_path", image}, {"captions", {"A man in red."}}});
    images.push_back(
        {{"filename", image}, {"split", names[i].first}, {"sentences", {{{"raw", "A man in red."}}}}});
  }
  PrepareOptions options;
  options.images = dir.path().string();
  options.tokenizer = "train:60";
  options.overwrite = true;
  for (const std::string& text : {rows, list.dump(), Json{{"images", images}}.dump()}) {
    write_text(dir / "annotations", text);
    options.annotations = (dir / "annotations").string();
    options.out = (dir / "out").string();
    EXPECT_EQ(prepare_dataset(options)["unusable_records"], 0) << text;
    const Dataset dataset = open_dataset(options.out);
    ASSERT_EQ(dataset.images.size(), names.size());
    for (std::size_t i = 0; i < names.size(); ++i)
      EXPECT_EQ(dataset.images[i].split, names[i].second) << names[i].first;
  }
}

TEST(AnnotationFiles, OneObjectIsAListOfLinesOnlyByItsName) {
  TempDir dir;
  write_text(dir / "a.jpg", test::encode_jpeg(test::picture(16, 24, 3)));
  const char* const line =
      R"({"split": "test", "id": 1, "file_path": "a.jpg", "captions": ["A man in red."]})";
  PrepareOptions options;
  options.images = dir.path().string();
  options.out = (dir / "out").string();
  options.tokenizer = "train:60";
  for (const char* name : {"a.jsonl", "a.json"}) {
    write_text(dir / name, line);
    options.annotations = (dir / name).string();
    if (std::string(name) == "a.jsonl")
      EXPECT_EQ(prepare_dataset(options)["counts"]["pairs"], 1);
    else
      EXPECT_NE(test::invalid_input_of([&] { prepare_dataset(options); }).find("no known format"),
                std::string::npos);
  }
}

}  // namespace
}  // namespace edgeclip
