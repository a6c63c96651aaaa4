#pragma once

#include <filesystem>
#include <string>

#include "data/dataset/annotations.h"

/// What a prepared dataset was made from, as hashes of content: a second run sees by them whether anything
/// has changed.
namespace edgeclip {

/// Of the images that annotations name (of its videos, if they are of a video), with their names; one that is
/// missing counts as such.  images: the folder, or the one video.  Before cut_video_crops.
std::string hash_images(const Annotations& annotations, const std::filesystem::path& images);

/// Of all files of a folder, with their names; "" if there is none.
std::string hash_folder(const std::filesystem::path& folder);

/// Of the files behind a tokenizer SPEC; "" for "train:SIZE".
std::string hash_tokenizer(const std::string& spec);

}  // namespace edgeclip
