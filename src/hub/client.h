// What every connection of this program has in common: certificates verified, nothing followed, re-encoded or unpacked on
// the way, the proxy of the environment; and what went wrong, in words. Who asks for what is http.h's and endpoint/'s.
#pragma once

#include <httplib.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace lora {

// To host:port over https, or over plain http. `ca_file`: PEM, for https; empty: the system's certificates. Time limits
// are the caller's to set. Errors: kInput when a proxy variable cannot be used.
std::unique_ptr<httplib::ClientImpl> make_client(bool https, const std::string& host, int port,
                                                 const std::string& ca_file);

// Why a transfer failed, for people; `broken_off` says it of one that had begun.
std::string transfer_problem(httplib::Error error, const std::string& broken_off);

// Throws kInput when the server's certificate is the reason: trying again would not help.
// `where`: what was asked; `ca_option`: how a user names a certificate, "give its certificate with --ca-file".
void refuse_bad_certificate(httplib::Error error, const std::string& where, const std::string& ca_option);

}  // namespace lora
