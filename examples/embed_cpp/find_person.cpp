// Finds people in a gallery by a sentence or an image:  find_person PLAN GALLERY TEXT|IMAGE.jpg
//   cmake -B build && cmake --build build
//   c++ -std=c++17 find_person.cpp -o find_person $(pkg-config --cflags --libs edgeclip)
#include <cstdio>
#include <edgeclip.hpp>
#include <fstream>

int main(int argc, char** argv) try {
  if (argc != 4) return std::fprintf(stderr, "usage: find_person PLAN GALLERY TEXT|IMAGE\n"), 2;
  const std::string query = argv[3];
  edgeclip::Model model(argv[1]);
  edgeclip::Gallery gallery(argv[2]);
  const auto hits =
      std::ifstream(query) ? gallery.search_image_file(model, query, 5) : gallery.search(model, query, 5);
  for (const edgeclip::Hit& hit : hits)
    std::printf("%.4f  %s/%s\n", static_cast<double>(hit.score), gallery.image_root().c_str(),
                hit.path.c_str());
} catch (const edgeclip::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
