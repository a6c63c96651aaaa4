#include "retrieval/search/image_grid.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "data/image/png_text.h"
#include "retrieval/fake_encoder.h"
#include "support/support.h"

namespace edgeclip {
namespace {

/// How many pixels have about this colour.
int count_colour(const Image& image, int r, int g, int b) {
  int count = 0;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3)
    count += std::abs(image.rgb[i] - r) < 12 && std::abs(image.rgb[i + 1] - g) < 12 &&
             std::abs(image.rgb[i + 2] - b) < 12;
  return count;
}

TEST(ImageGrid, ShowsEveryImageInItsProportions) {
  std::vector<GridCell> cells(7);
  for (auto& cell : cells) {
    cell.image = test::two_colours(255, 0, 0, 255, 0, 0, 10, 20);
    cell.label = "1   0.500";
  }
  const Image grid = draw_grid("a woman in a red coat", cells);
  EXPECT_EQ(grid.width, 2 * 16 + 5 * 150 + 4 * 14);
  EXPECT_EQ(count_colour(grid, 255, 0, 0), 7 * 120 * 240)
      << "an image of 10 x 20 fills 120 x 240 of its cell";
  cells.clear();
  const Image no_title = draw_grid("", std::vector<GridCell>(1)),
              title = draw_grid("MMMM", std::vector<GridCell>(1));
  EXPECT_LT(count_colour(title, 250, 250, 248), count_colour(no_title, 250, 250, 248) - 200)
      << "the title is written";
  EXPECT_GT(count_colour(grid, 250, 250, 248), grid.width * grid.height / 4) << "a light background";
}

TEST(ImageGrid, GrowsWithCaptionsAndLongTitlesAndMarksTheFound) {
  std::vector<GridCell> cells(2);
  for (auto& cell : cells) cell.image = test::two_colours(0, 0, 255, 0, 0, 255);
  const Image plain = draw_grid("short", cells);
  cells[0].caption =
      "A man with short black hair wears a dark leather jacket with a grey hood and black trousers";
  cells[0].highlighted = true;
  const Image rich = draw_grid(
      "a very long title that has to be wrapped because it does not fit into one line of the grid at all",
      cells);
  EXPECT_GT(rich.height, plain.height + 50);
  EXPECT_EQ(count_colour(plain, 30, 150, 80), 0);
  EXPECT_GT(count_colour(rich, 30, 150, 80), 500);
}

TEST(ImageGrid, DrawsWhateverItIsGiven) {
  EXPECT_GT(draw_grid("", {}).height, 0);
  EXPECT_GT(draw_grid(std::string(5000, 'w') + " \xff\xfe \xe4\xba\xba\n", std::vector<GridCell>(3)).height,
            0);
  std::vector<GridCell> odd(2);
  odd[0].image = Image(3000, 1);
  odd[1].image = Image(1, 3000);
  EXPECT_GT(draw_grid("odd", odd).width, 0);
}

/// A gallery of these items, and hits of all of them in order.
struct Hits {
  Hits(const std::filesystem::path& root, const std::vector<GalleryItem>& items) {
    GalleryManifest manifest;
    manifest.embedding_dim = 1;
    GallerySource source;
    source.image_root = root;
    gallery = GallerySet({gallery_in_memory(manifest, items, Tensor(DType::f32, {static_cast<std::int64_t>(items.size()), 1}), source)});
    for (std::size_t k = 0; k < items.size(); ++k)
      hits.push_back({static_cast<std::int64_t>(k) + 1, 0.9f - 0.1f * static_cast<float>(k), static_cast<std::int64_t>(k), k, items[k]});
  }
  GallerySet gallery;
  std::vector<SearchHit> hits;
};

TEST(ImageGrid, AMissingImageIsAnEmptyFrame) {
  test::TempDir dir;
  test::write_images(dir.path(), 2);
  const Hits found(dir.path(), {{"01.png"}, {"gone.png"}, {"00.png", -1, -1, "caption of 0"}});
  const auto cells = grid_cells(found.gallery, found.hits);
  ASSERT_EQ(cells.size(), 3u);
  EXPECT_EQ(cells[0].label, "1   0.900");
  EXPECT_EQ(cells[0].image.rgb, read_image(dir / "01.png").rgb);
  EXPECT_EQ(cells[1].image.width, 0);
  EXPECT_EQ(cells[2].caption, "caption of 0");
  EXPECT_NE(test::invalid_input_of([&] { grid_cells(found.gallery, {found.hits[1]}); }).find("gone.png"), std::string::npos)
      << "a picture of nothing";
  EXPECT_GT(draw_grid("t", cells).height, 0);
}

TEST(ImageGrid, AnItemWithoutACaptionIsNamed) {
  test::TempDir dir;
  test::write_images(dir.path(), 1);
  GalleryItem frame{"cam/gate.avi", -1, 120};
  frame.in_video = true;
  const Hits found(dir.path(), {{"00.png"}, {"cam/3/gone.png"}, frame});
  const auto cells = grid_cells(found.gallery, found.hits);
  EXPECT_EQ(cells[0].caption, "00.png");
  EXPECT_EQ(cells[1].caption, "gone.png");
  EXPECT_EQ(cells[2].caption, "gate.avi, frame 120");
  std::vector<GridCell> bare = cells;
  for (auto& cell : bare) cell.caption.clear();
  EXPECT_GT(count_colour(draw_grid("t", cells), 95, 101, 109),
            count_colour(draw_grid("t", bare), 95, 101, 109))
      << "the name is written";
}

TEST(ImageGrid, AnItemWithABoxIsThatPartOfItsImage) {
  test::TempDir dir;
  test::write_images(dir.path(), 1);
  GalleryItem part{"00.png"};
  part.box = {2, 3, 5, 9};
  const Hits found(dir.path(), {part});
  const auto cells = grid_cells(found.gallery, found.hits);
  EXPECT_EQ(cells[0].image.rgb, crop(read_image(dir / "00.png"), 2, 3, 5, 9).rgb);
}

TEST(ImageGrid, QueriesOutsideAsciiAreWritten) {
  const std::vector<GridCell> cells(1);
  EXPECT_NE(draw_grid("weißer Mantel", cells).rgb, draw_grid("wei?er Mantel", cells).rgb);
}

TEST(ImageGrid, TheFileSaysWhatItIs) {
  const test::TempDir dir;
  const std::vector<GridCell> cells(2);
  write_grid(dir / "hits.png", "ein weißer Mantel", "2 of 81 images of gallery", cells);
  const std::string png = read_file(dir / "hits.png");
  EXPECT_EQ(png_text(png, "Title"), "ein weißer Mantel");
  EXPECT_EQ(png_text(png, "Description"), "2 of 81 images of gallery");
  EXPECT_EQ(png_text(png, "Software"), kGridSoftware);
  EXPECT_EQ(read_image(dir / "hits.png").rgb, draw_grid("ein weißer Mantel", cells).rgb);
}

}  // namespace
}  // namespace edgeclip
