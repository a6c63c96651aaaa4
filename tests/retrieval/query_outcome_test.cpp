#include "retrieval/evaluate/query_outcome.h"

#include <gtest/gtest.h>

#include "base/csv.h"
#include "base/file.h"
#include "support/support.h"

namespace edgeclip {
namespace {

QueryOutcomes some_outcomes() {
  QueryOutcomes outcomes;
  outcomes.text_to_image = {{0,
                             7,
                             "a \"red\" coat, and\nboots",
                             2,
                             9,
                             {3, 1.0 / 3, 0.1},
                             {{"a/1.png", 0.5f, false}, {"a/2.png", 0.25f, true}}},
                            {3, -1, "grün", 0, 9, {}, {{"a/1.png", 0.125f, false}}}};
  outcomes.image_to_text = {{5, 7, "a/1.png", 1, 20, {20, 0.05, 0.05}, {}}};
  return outcomes;
}

TEST(QueryCsv, IsReadAsItWasWritten) {
  test::TempDir dir;
  const QueryOutcomes outcomes = some_outcomes();
  write_query_csv(dir / "q.csv", outcomes);
  const QueryOutcomes read = read_query_csv(dir / "q.csv");
  require_same_queries(outcomes, "written", read, "read");
  ASSERT_EQ(read.text_to_image.size(), 2u);
  EXPECT_EQ(read.text_to_image[0].metrics.ap, 1.0 / 3) << "to the last bit";
  EXPECT_EQ(read.text_to_image[0].metrics.first_rank, 3);
  EXPECT_EQ(read.text_to_image[1].metrics.first_rank, 0);
  EXPECT_EQ(read.image_to_text[0].metrics.inp, 0.05);
}

TEST(QueryCsv, HasTheResultsInColumns) {
  test::TempDir dir;
  write_query_csv(dir / "q.csv", some_outcomes());
  const auto rows = read_csv(dir / "q.csv");
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0], (std::vector<std::string>{"direction", "number", "id", "query", "relevant", "gallery",
                                               "first_rank", "ap", "inp", "result_1", "score_1", "right_1",
                                               "result_2", "score_2", "right_2"}));
  EXPECT_EQ(rows[1][12], "a/2.png");
  EXPECT_EQ(rows[1][13], "0.250000");
  EXPECT_EQ(rows[1][14], "1");
  EXPECT_EQ(rows[2][6], "") << "nothing relevant";
  EXPECT_EQ(rows[2][12], "");
  EXPECT_EQ(rows[3][0], "image_to_text");
}

TEST(QueryCsv, NamesWhatIsNoSuchTable) {
  test::TempDir dir;
  const std::string header = "direction,number,id,query,relevant,gallery,first_rank,ap,inp\n";
  const auto refused = [&](const std::string& text) {
    test::write_text(dir / "q.csv", text);
    return test::invalid_input_of([&] { read_query_csv(dir / "q.csv"); });
  };
  for (const auto& [text, part] : std::initializer_list<std::pair<std::string, const char*>>{
           {"", "does not begin"},
           {"rank,score,path,id,caption\n", "does not begin"},
           {header + "text_to_image,0,1,a\n", "record 1: has 4 fields"},
           {header + "sideways,0,1,a,1,9,1,1,1\n", "record 1: direction: \"sideways\""},
           {header + "text_to_image,0,1,a,1,9,1,1,1\ntext_to_image,1,x,a,1,9,1,1,1\n", "record 2: id: \"x\""},
           {header + "text_to_image,0,1,a,1,9,10,1,1\n", "first_rank: \"10\""},
           {header + "text_to_image,0,1,a,1,9,0,1,1\n", "first_rank: \"0\""},
           {header + "text_to_image,0,1,a,1,9,1,1.5,1\n", "ap: \"1.5\""},
           {header + "text_to_image,0,1,a,1,9,1,nan,1\n", "ap: \"nan\""},
           {header + "text_to_image,-1,1,a,1,9,1,1,1\n", "number: \"-1\""}})
    EXPECT_NE(refused(text).find(part), std::string::npos) << text;
}

TEST(QueryCsv, OtherQueriesAreRefused) {
  const QueryOutcomes outcomes = some_outcomes();
  const auto refused = [&](const std::function<void(QueryOutcomes&)>& change) {
    QueryOutcomes other = outcomes;
    change(other);
    return test::invalid_input_of([&] { require_same_queries(outcomes, "A", other, "B"); });
  };
  EXPECT_NE(refused([](auto& o) {
              o.text_to_image.pop_back();
            }).find("A and B: have 2 and 1 queries text to image"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) {
              o.text_to_image[1].query = "green";
            }).find("query 3 text to image has another query"),
            std::string::npos);
  EXPECT_NE(
      refused([](auto& o) { o.image_to_text[0].id = 8; }).find("query 5 image to text has another person"),
      std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.image_to_text[0].gallery = 21; }).find("size of the gallery"),
            std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.text_to_image[0].relevant = 1; }).find("number of right items"),
            std::string::npos);
  require_same_queries(outcomes, "A", outcomes, "B");
}

}  // namespace
}  // namespace edgeclip
