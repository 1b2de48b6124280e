#include "core/model/zoo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/cost.h"
#include "tests/testing/status_matchers.h"

namespace tern {
namespace {

using ::tern::testing::IsOk;
using ::tern::testing::StatusIs;

struct Published {
  const char* name;
  int64_t num_parameters;
};

// mlp_200_200 and mcmahan_cnn as in McMahan et al. 2017, section 3.
const Published kPublished[] = {{"mlp_200_200", 199210},
                                {"lenet5", 44426},
                                {"mcmahan_cnn", 1663370},
                                {"tiny_cnn", 9098},
                                {"mobilenet_small", 3946}};

TEST(ZooModel, EveryName_IsAModelOf10ClassesWithThePublishedParameterCount) {
  std::vector<std::string> names;
  for (const Published& published : kPublished) {
    names.push_back(published.name);
    const auto spec = ZooModel(published.name);
    ASSERT_THAT(spec, IsOk());
    EXPECT_EQ(spec->name, published.name);
    const auto cost = CountCost(*spec);
    ASSERT_THAT(cost, IsOk());
    EXPECT_EQ(cost->num_parameters, published.num_parameters) << published.name;
    EXPECT_EQ(InferShapes(*spec)->back(), Shape{10}) << published.name;
  }
  EXPECT_THAT(ZooModelNames(), ::testing::UnorderedElementsAreArray(names));
}

TEST(ZooModel, UnknownName_IsNotFoundAndListsTheNames) {
  EXPECT_THAT(ZooModel("lenet"),
              StatusIs(absl::StatusCode::kNotFound,
                       "no model 'lenet' in the zoo; it has mlp_200_200, lenet5, "));
}

}  // namespace
}  // namespace tern
