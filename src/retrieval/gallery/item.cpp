#include "retrieval/gallery/item.h"

#include <spdlog/fmt/fmt.h>

#include <filesystem>

namespace edgeclip {

std::string shown_path(const GalleryItem& item) {
  std::string fragment;
  if (item.in_video) fragment = fmt::format("frame={}", item.frame);
  if (!item.box.whole())
    fragment += fmt::format("{}xywh={:g},{:g},{:g},{:g}", fragment.empty() ? "" : "&", item.box.x, item.box.y, item.box.width,
                            item.box.height);
  return fragment.empty() ? item.path : item.path + "#" + fragment;
}

std::string item_name(const GalleryItem& item) {
  const std::string name = std::filesystem::path(item.path).filename().string();
  return item.in_video ? fmt::format("{}, frame {}", name, item.frame) : name;
}

}  // namespace edgeclip
