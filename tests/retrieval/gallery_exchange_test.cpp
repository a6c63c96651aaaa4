#include "retrieval/gallery/exchange.h"

#include <gtest/gtest.h>

#include "base/csv.h"
#include "base/npy.h"
#include "retrieval/gallery_support.h"
#include "support/support.h"

namespace edgeclip {
namespace {

GalleryItem with_everything() {
  GalleryItem item{"cam/a, b.png", 7, 20, "a man\nwalking"};
  item.box = {1.5F, 2, 30, 40};
  item.time = 1'700'000'000'123'456;
  item.camera = "gate";
  item.track = 4;
  item.in_video = true;
  return item;
}

TEST(GalleryExchange, WhatIsExportedCanBeAdded) {
  const test::TempDir dir;
  GalleryManifest fresh;
  fresh.embedding_space = "space";
  fresh.embedding_dim = 2;
  const std::vector<GalleryItem> items = {with_everything(), {"b.png"}};
  test::add_to_gallery(dir / "g", fresh, items, Tensor::from<float>({2, 2}, {0.6F, 0.8F, 0, -1}));
  export_gallery(open_gallery(dir / "g"), dir / "table", false);
  EXPECT_EQ(read_csv(dir / "table/items.csv").at(2).at(1), "b.png");
  EXPECT_NE(test::invalid_input_of([&] { export_gallery(open_gallery(dir / "g"), dir / "table", false); }).find("--overwrite"),
            std::string::npos);
  export_gallery(open_gallery(dir / "g"), dir / "table", true);
  const ForeignEmbeddings read = read_embeddings(dir / "table/embeddings.npy", dir / "table/items.csv", 2);
  EXPECT_EQ(read.items, items);
  GalleryWriter(dir / "g", std::nullopt).compact(DType::i8);
  export_gallery(open_gallery(dir / "g"), dir / "table8", false);
  EXPECT_NO_THROW(read_embeddings(dir / "table8/embeddings.npy", dir / "table8/items.csv", 2));
  EXPECT_EQ(read.rows.data<float>()[1], 0.8F);
}

TEST(GalleryExchange, NamesFileAndRowOfWhatIsWrong) {
  const test::TempDir dir;
  write_npy(dir / "e.npy", Tensor::from<float>({2, 2}, {0.6F, 0.8F, 0, -1}));
  const auto message = [&](const std::string& table, int dim = 2) {
    test::write_text(dir / "t.csv", table);
    return test::invalid_input_of([&] { read_embeddings(dir / "e.npy", dir / "t.csv", dim); });
  };
  EXPECT_NE(message("path\na\nb\n", 3).find("e.npy"), std::string::npos);
  EXPECT_NE(message("").find("is empty"), std::string::npos);
  EXPECT_NE(message("id\n1\n2\n").find("no column \"path\""), std::string::npos);
  EXPECT_NE(message("path,colour\na,b\nb,c\n").find("colour"), std::string::npos);
  EXPECT_NE(message("path\na\n").find("has 1 rows"), std::string::npos);
  EXPECT_NE(message("path,id\na,1\nb,x\n").find("row 2: id"), std::string::npos);
  for (const char* bad : {"nan", "inf", "1e30", "x"})
    EXPECT_NE(message(std::string("path,width\na,1\nb,") + bad + "\n").find("row 2: width"), std::string::npos) << bad;
  EXPECT_NE(message("path,time\na,\nb,yesterday\n").find("row 2: time"), std::string::npos);
  EXPECT_NE(message("path,id\na,1\nb\n").find("row 2: has 1 fields"), std::string::npos);
  EXPECT_NE(message("path\na\n\"\"\n").find("row 2: path is empty"), std::string::npos);
  write_npy(dir / "e.npy", Tensor::from<float>({2, 2}, {0.6F, 0.8F, 0, -2}));
  EXPECT_NE(message("path\na\nb\n").find("row 1: its length is 2"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
