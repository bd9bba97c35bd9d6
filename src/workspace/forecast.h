/*
 * What a Workspace would become, before anybody applies it: `kaito plan`. The rehearsal of workspace/rehearse.h, told for people: the
 * rules' answer, machines, where the memory goes, how long a context fits, the objects. Pure.
 */
#ifndef WORKSPACE_FORECAST_H
#define WORKSPACE_FORECAST_H

#include "base/json.h"

/*
 * in: {object, cluster, settings, huggingface, prices: {machine type: price an hour}}. Secrets that the Workspace names and the cluster lacks
 * are taken to be there, and told under "needs". *out: {workspace, purpose, runtime, model, admission: {allowed, message}, machines, memory,
 * context, objects, needs, problem}; of a refused one nothing after admission but needs. ERR_BAD_REQUEST: object is no Workspace.
 */
errc workspace_forecast(const json_t *in, json_t **out, struct err *e);
void workspace_forecast_text(const json_t *forecast, struct buf *out);

#endif
