#include "data/synthetic/wardrobe.h"

#include <cmath>

#include "data/synthetic/attributes.h"

namespace edgeclip::synthetic {

Wardrobe draw_wardrobe(const Attributes& a, Rng& rng) {
  Wardrobe w;
  const bool fair = a.hair_colour == "blond" || a.hair_colour == "red";
  const double hue = rng.uniform(18, 28), saturation = rng.uniform(0.28, 0.52);
  w.skin = rgb_from_hsv(hue, saturation, rng.uniform(fair ? 0.72 : 0.45, 0.92));
  w.hair = a.hair_colour.empty() ? w.skin * 0.5f : draw_colour(a.hair_colour + " hair", rng);
  if (a.hat != "none") w.hat = draw_colour(a.hat_colour, rng);
  w.upper = draw_colour(a.upper_colour, rng);
  const bool light = luma(w.upper) > 150;
  w.upper2 = !a.upper_colour2.empty() ? draw_colour(a.upper_colour2, rng)
             : light                  ? draw_colour(rng.chance(0.5) ? "navy" : "black", rng)
             : a.upper_pattern == "checked" && rng.chance(0.4) ? draw_colour("black", rng)
                                                               : draw_colour("white", rng);
  if (!a.inner_colour.empty()) w.inner = draw_colour(a.inner_colour, rng);
  if (!a.lower.empty()) {
    const bool denim = a.lower == "jeans" && (a.lower_colour == "blue" || a.lower_colour == "light blue" ||
                                              a.lower_colour == "navy");
    w.lower = draw_colour(denim ? a.lower_colour + " jeans" : a.lower_colour, rng);
  }
  w.shoes = draw_colour(a.shoe_colour, rng);
  if (a.bag != "none") w.bag = draw_colour(a.bag_colour, rng);
  return w;
}

bool Pose::front() const { return std::cos(turn * 0.017453293f) > 0.10f; }
bool Pose::back() const { return std::cos(turn * 0.017453293f) < -0.45f; }

Pose draw_pose(Rng& rng) {
  Pose pose;
  const double views[] = {0, 35, 70, 90, 120, 155, 180};
  const double view = views[rng.below(7)];
  pose.turn = static_cast<float>(view + rng.uniform(-14, 14));
  if (rng.chance(0.5)) pose.turn = -pose.turn;
  pose.stride = static_cast<float>(rng.uniform(-1, 1));
  pose.build = static_cast<float>(rng.uniform(0.90, 1.14));
  return pose;
}

}  // namespace edgeclip::synthetic
