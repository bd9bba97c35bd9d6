/* A token of the person who ran `az login`, for development: asks the Azure CLI, a program of its own. */
#ifndef PROVISIONER_AZURE_CLI_TOKEN_H
#define PROVISIONER_AZURE_CLI_TOKEN_H

#include "base/err.h"
#include "base/str.h"

/* Adds what `az account get-access-token` printed (JSON) to *out, which the caller wipes. tenant may be NULL. */
errc azure_cli_token(const char *resource, const char *tenant, struct buf *out, struct err *e);

#endif
