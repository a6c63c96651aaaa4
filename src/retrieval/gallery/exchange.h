#pragma once

#include <filesystem>

#include "retrieval/gallery/snapshot.h"

namespace edgeclip {

/// Writes a gallery's items, in the order of their numbers, for other programs: embeddings.npy (N, D) float32 and items.csv
/// (item,path,id,frame,caption,camera,time,track,x,y,width,height,in_video; what is not known is empty), as a folder that appears whole.
void export_gallery(const GallerySnapshot& gallery, const std::filesystem::path& out, bool overwrite);

/// Rows of a CSV file that has a column `path` and may have any of export_gallery()'s others (`item` is passed over; a time without a zone
/// is UTC).  Throws InvalidInput naming file and row.
std::vector<GalleryItem> read_item_table(const std::filesystem::path& table);

/// Embeddings that another program made, (N, D) float32 unit rows, and a table of them.
struct ForeignEmbeddings {
  std::vector<GalleryItem> items;
  Tensor rows;
};
/// Throws InvalidInput naming file and row.
ForeignEmbeddings read_embeddings(const std::filesystem::path& npy, const std::filesystem::path& table, int embedding_dim);

}  // namespace edgeclip
