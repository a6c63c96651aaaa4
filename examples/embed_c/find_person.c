/* Finds people in a gallery by a sentence:  find_person PLAN GALLERY "a woman in a red coat"
 *   cmake -B build && cmake --build build
 *   cc find_person.c -o find_person $(pkg-config --cflags --libs edgeclip) */
#include <edgeclip.h>
#include <stdio.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, edgeclip_last_error());
  return 1;
}

int main(int argc, char** argv) {
  edgeclip_model* model = NULL;
  edgeclip_gallery* gallery = NULL;
  edgeclip_hit hits[5];
  size_t found = 0;
  int result = 0;
  if (argc != 4) return fprintf(stderr, "usage: find_person PLAN GALLERY TEXT\n"), 2;
  if (edgeclip_model_open(argv[1], NULL, &model) != EDGECLIP_OK)
    result = failed("plan");
  else if (edgeclip_gallery_open(argv[2], &gallery) != EDGECLIP_OK)
    result = failed("gallery");
  else if (edgeclip_search_text(model, gallery, argv[3], 5, hits, &found) != EDGECLIP_OK)
    result = failed("search");
  for (size_t i = 0; i < found; ++i)
    printf("%.4f  %s/%s\n", hits[i].score, edgeclip_gallery_image_root(gallery),
           edgeclip_gallery_path(gallery, hits[i].item));
  edgeclip_gallery_close(gallery);
  edgeclip_model_close(model);
  return result;
}
