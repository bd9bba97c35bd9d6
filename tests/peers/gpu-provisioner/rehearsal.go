// Beside upstream's client of ARM: an endpoint and an identity of a simulator, which upstream has no setting for. Read when
// REHEARSAL_URL is set; test_gpu_provisioner.sh puts this file into a copy of upstream's sources and one line into NewAZClient.
package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v4"
	"github.com/azure/gpu-provisioner/pkg/auth"
	armopts "github.com/azure/gpu-provisioner/pkg/utils/opts"
)

type rehearsalCredential struct{ url string }

func (c rehearsalCredential) GetToken(_ context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	var answer struct {
		Token   string `json:"access_token"`
		Seconds int    `json:"expires_in"`
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {c.url + "/.default"},
		"client_id": {os.Getenv("AZURE_CLIENT_ID")}, "client_secret": {os.Getenv("AZURE_CLIENT_SECRET")}}
	r, err := http.PostForm(fmt.Sprintf("%s/%s/oauth2/v2.0/token", c.url, os.Getenv("AZURE_TENANT_ID")), form)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || answer.Token == "" {
		return azcore.AccessToken{}, fmt.Errorf("no token, status %d", r.StatusCode)
	}
	return azcore.AccessToken{Token: answer.Token, ExpiresOn: time.Now().Add(time.Duration(answer.Seconds) * time.Second)}, nil
}

// The same options as upstream's own client but for the endpoint.
func rehearse(cfg *auth.Config) (*AZClient, error) {
	arm := os.Getenv("REHEARSAL_URL")
	opts := armopts.DefaultArmOpts()
	opts.Cloud = cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: arm, Audience: arm}}}
	opts.Transport = http.DefaultClient // upstream's balancer speaks to management.azure.com only
	pools, err := armcontainerservice.NewAgentPoolsClient(cfg.SubscriptionID, rehearsalCredential{arm}, opts)
	if err != nil {
		return nil, err
	}
	return NewAZClientFromAPI(pools), nil
}
