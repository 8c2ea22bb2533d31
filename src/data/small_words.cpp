#include "data/small_words.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "data/words.h"

namespace lora {
namespace {

constexpr std::string_view kCourtesies =
    "please pls plz kindly thanks thank thx you so very much many a lot in advance cheers regards hello hi "
    "hey dear "
    "greetings good morning afternoon evening day there everyone all team just really quick question sorry "
    "bitte danke dank vielen schon mal im voraus hallo guten tag morgen abend moin servus grüße "
    "bonjour salut bonsoir merci beaucoup svp stp sil vous te plaît davance "
    "hola buenos buenas días tardes noches gracias muchas por favor antemano "
    "ciao buongiorno buonasera salve grazie mille per favore "
    "olá oi bom boa dia tarde noite obrigado obrigada "
    "hoi goedemorgen goedendag alsjeblieft alstublieft bedankt hej hei tack tak takk snälla "
    "cześć dzień dobry proszę dziękuję привет здравствуйте пожалуйста спасибо";

std::vector<uint32_t> sorted_hashes() {
  std::vector<uint32_t> hashes;
  append_word_hashes(kCourtesies, hashes);
  std::sort(hashes.begin(), hashes.end());
  return hashes;
}

}  // namespace

bool is_courtesy(uint32_t word_hash) {
  static const std::vector<uint32_t> hashes = sorted_hashes();
  return std::binary_search(hashes.begin(), hashes.end(), word_hash);
}

}  // namespace lora
