/* STS's GetCallerIdentity, which SDKs, the AWS CLI and Terraform ask of the endpoint that they were given before anything
 * else: whose key is this? The one operation of another service here, in that service's protocol: a form in, XML out. */
#pragma once

#include "api/router/router_internal.h"

/* By the head: a form, which no operation of DynamoDB's is. */
bool identity_is_asked(const struct http_request *http);
/* A whole request of that kind, its signature judged. Ends it. */
void identity_answer(struct request *r);
