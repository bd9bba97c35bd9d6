// k8s-tables writes src/api/k8s/tables.c: the built-in Kubernetes kinds as field tables.
//
// Facts come from the pinned modules: names, Go types, protobuf numbers and patch strategies from the Go structs (by reflection);
// list types, keys, defaults and required fields from Kubernetes' published OpenAPI v3 documents.
//
//	cd tools/k8s-tables && go run . > ../../src/api/k8s/tables.c
//
// The documents are found in the module k8s.io/kubernetes (go mod download puts it in the cache), or below -spec DIR.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type root struct {
	group, version string
	kinds          []any
}

var roots = []root{
	{"", "v1", []any{corev1.Pod{}, corev1.PodTemplate{}, corev1.Node{}, corev1.Namespace{}, corev1.ConfigMap{}, corev1.Secret{},
		corev1.Service{}, corev1.Endpoints{}, corev1.Event{}, corev1.ServiceAccount{}, corev1.PersistentVolume{},
		corev1.PersistentVolumeClaim{}, corev1.ReplicationController{}, corev1.LimitRange{}, corev1.ResourceQuota{}, corev1.Binding{}}},
	{"apps", "v1", []any{appsv1.StatefulSet{}, appsv1.Deployment{}, appsv1.ReplicaSet{}, appsv1.DaemonSet{}, appsv1.ControllerRevision{}}},
	{"batch", "v1", []any{batchv1.Job{}, batchv1.CronJob{}}},
	{"coordination.k8s.io", "v1", []any{coordinationv1.Lease{}}},
	{"events.k8s.io", "v1", []any{eventsv1.Event{}}},
	{"rbac.authorization.k8s.io", "v1", []any{rbacv1.Role{}, rbacv1.RoleBinding{}, rbacv1.ClusterRole{}, rbacv1.ClusterRoleBinding{}}},
	{"apiextensions.k8s.io", "v1", []any{apiextensionsv1.CustomResourceDefinition{}}},
	{"authentication.k8s.io", "v1", []any{authenticationv1.TokenRequest{}, authenticationv1.TokenReview{}, authenticationv1.SelfSubjectReview{}}},
	{"authorization.k8s.io", "v1", []any{authorizationv1.SubjectAccessReview{}, authorizationv1.LocalSubjectAccessReview{},
		authorizationv1.SelfSubjectAccessReview{}, authorizationv1.SelfSubjectRulesReview{}}},
	{"storage.k8s.io", "v1", []any{storagev1.StorageClass{}, storagev1.CSIDriver{}}},
	{"autoscaling", "v1", []any{autoscalingv1.HorizontalPodAutoscaler{}, autoscalingv1.Scale{}}},
	{"policy", "v1", []any{policyv1.PodDisruptionBudget{}, policyv1.Eviction{}}},
	{"networking.k8s.io", "v1", []any{networkingv1.NetworkPolicy{}, networkingv1.Ingress{}}},
	{"discovery.k8s.io", "v1", []any{discoveryv1.EndpointSlice{}}},
	{"scheduling.k8s.io", "v1", []any{schedulingv1.PriorityClass{}}},
	{"admissionregistration.k8s.io", "v1", []any{admissionregistrationv1.ValidatingWebhookConfiguration{},
		admissionregistrationv1.MutatingWebhookConfiguration{}}},
	{"admission.k8s.io", "v1", []any{admissionv1.AdmissionReview{}}},
	{"meta.k8s.io", "v1", []any{metav1.Status{}, metav1.DeleteOptions{}, metav1.PartialObjectMetadata{}}},
}

type schema = map[string]any

var (
	specs = map[string]schema{} // OpenAPI name -> schema
	todo  []reflect.Type
	known = map[reflect.Type]*table{}
	rules = map[string]int{} // C initialiser -> number
	order []string
)

type table struct {
	name, cname string
	fields      []string
	flags       []string
	gvk         *[3]string
}

func main() {
	log.SetFlags(0)
	dir := flag.String("spec", "", "folder api/openapi-spec/v3 of Kubernetes")
	flag.Parse()
	if *dir == "" {
		out, err := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@v1.32.3").Output()
		if err != nil {
			log.Fatal("go mod download k8s.io/kubernetes: ", err)
		}
		var m struct{ Dir string }
		if err := json.Unmarshal(out, &m); err != nil {
			log.Fatal(err)
		}
		*dir = filepath.Join(m.Dir, "api/openapi-spec/v3")
	}
	readSpecs(*dir)
	for _, r := range roots {
		for _, k := range r.kinds {
			t := reflect.TypeOf(k)
			visit(t).gvk = &[3]string{r.group, r.version, t.Name()}
		}
	}
	for len(todo) > 0 {
		t := todo[0]
		todo = todo[1:]
		describe(t, known[t], spec(t))
	}
	write()
}

func readSpecs(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	if len(files) == 0 {
		log.Fatal("no OpenAPI documents in ", dir)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			log.Fatal(err)
		}
		var doc struct{ Components struct{ Schemas map[string]schema } }
		if err := json.Unmarshal(data, &doc); err != nil {
			log.Fatal(f, ": ", err)
		}
		for n, s := range doc.Components.Schemas {
			specs[n] = s
		}
	}
}

// openapiName: k8s.io/api/core/v1.Pod -> io.k8s.api.core.v1.Pod
func openapiName(t reflect.Type) string {
	return "io.k8s." + strings.ReplaceAll(strings.TrimPrefix(t.PkgPath(), "k8s.io/"), "/", ".") + "." + t.Name()
}

func spec(t reflect.Type) schema { return specs[openapiName(t)] }

func visit(t reflect.Type) *table {
	if k := known[t]; k != nil {
		return k
	}
	k := &table{name: openapiName(t)}
	parts := strings.Split(k.name, ".")
	k.cname = strings.NewReplacer("-", "_", ".", "_").Replace(strings.Join(parts[len(parts)-3:], "_"))
	known[t] = k
	todo = append(todo, t)
	return k
}

// scalar kinds by Go type name; the rest is by reflect.Kind.
var special = map[string]string{
	"v1.Time": "TIME", "v1.MicroTime": "MICROTIME", "resource.Quantity": "QUANTITY", "intstr.IntOrString": "INT_OR_STR",
	"v1.Duration": "STR", "runtime.RawExtension": "ANY", "v1.FieldsV1": "ANY", "v1.JSON": "ANY",
	"v1.JSONSchemaPropsOrBool": "ANY", "v1.JSONSchemaPropsOrStringArray": "ANY", "v1.JSONSchemaPropsOrArray": "ANY",
}

// kind gives the initialisers of a value of Go type t (pointers removed).
func kind(t reflect.Type, s schema) (string, []string) {
	if k := special[t.String()]; k != "" {
		if t.String() == "v1.JSONSchemaPropsOrArray" { // a list of schemas is refused by validation
			return "OBJECT", []string{".type = &T[T_" + visit(reflect.TypeOf(apiextensionsv1.JSONSchemaProps{})).cname + "]"}
		}
		return k, nil
	}
	switch t.Kind() {
	case reflect.String:
		return "STR", nil
	case reflect.Bool:
		return "BOOL", nil
	case reflect.Int32:
		return "INT", []string{"I32"}
	case reflect.Int, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "INT", nil
	case reflect.Float64, reflect.Float32:
		return "NUM", nil
	case reflect.Struct:
		return "OBJECT", []string{".type = &T[T_" + visit(t).cname + "]"}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "BYTES", nil
		}
		return "LIST", []string{".item = " + item(t.Elem())}
	case reflect.Map:
		return "MAP", []string{".item = " + item(t.Elem())}
	}
	log.Fatal("no kind for ", t)
	return "", nil
}

var items = map[string]string{}
var itemOrder []string

func item(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	k, more := kind(t, nil)
	init := "FIELD_" + k
	name := "item_" + strings.ToLower(k)
	if k == "OBJECT" {
		name = "item_" + visit(t).cname
	}
	if k == "LIST" {
		name = "item_list"
	}
	text := fmt.Sprintf("{ .kind = %s%s }", init, attrs(more, goType(t, k)))
	if r := goType(t, k); r != "" {
		name += "_" + strings.ReplaceAll(t.String(), ".", "_")
	}
	if items[name] == "" {
		items[name] = text
		itemOrder = append(itemOrder, name)
	}
	return "&" + name
}

func goType(t reflect.Type, k string) string {
	if (k == "STR" || k == "INT" || k == "BOOL" || k == "MAP" || k == "LIST") && t.PkgPath() != "" && special[t.String()] == "" {
		return rule([]string{".go_type = " + quote(t.String())})
	}
	return ""
}

func rule(inits []string) string {
	if len(inits) == 0 {
		return ""
	}
	text := strings.Join(inits, ", ")
	n, ok := rules[text]
	if !ok {
		n = len(order)
		rules[text] = n
		order = append(order, text)
	}
	return fmt.Sprintf(".rules = &R[%d]", n)
}

func attrs(more []string, rule string) string {
	var flags, rest []string
	for _, m := range more {
		if strings.HasPrefix(m, ".") {
			rest = append(rest, m)
		} else {
			flags = append(flags, m)
		}
	}
	out := ""
	if len(flags) > 0 {
		out += ", .flags = " + strings.Join(flags, "|")
	}
	if rule != "" {
		rest = append(rest, rule)
	}
	for _, r := range rest {
		out += ", " + r
	}
	return out
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func has(list any, s string) bool {
	l, _ := list.([]any)
	for _, x := range l {
		if x == s {
			return true
		}
	}
	return false
}

func describe(t reflect.Type, out *table, s schema) {
	if m, _ := s["x-kubernetes-map-type"].(string); m == "atomic" {
		out.flags = append(out.flags, "TYPE_ATOMIC")
	}
	for i := 0; i < t.NumField(); i++ {
		describeField(t.Field(i), out, s)
	}
}

func describeField(f reflect.StructField, out *table, s schema) {
	tag := strings.Split(f.Tag.Get("json"), ",")
	if tag[0] == "-" {
		return
	}
	ft := f.Type
	pointer := ft.Kind() == reflect.Pointer
	if pointer {
		ft = ft.Elem()
	}
	proto := strings.Split(f.Tag.Get("protobuf"), ",")
	number := "0"
	if len(proto) > 1 {
		number = proto[1]
	}
	if strings.HasSuffix(ft.String(), "v1.TypeMeta") {
		out.flags = append(out.flags, "TYPE_ROOT")
		out.fields = append(out.fields, `F("kind", STR, 0)`, `F("apiVersion", STR, 0)`)
		return
	}
	if tag[0] == "" { // inline
		sub := visit(ft)
		if spec(ft) == nil && len(sub.fields) == 0 {
			describe(ft, sub, s) // its OpenAPI lies in the parent's
			for i, x := range todo {
				if x == ft {
					todo = append(todo[:i], todo[i+1:]...)
					break
				}
			}
		}
		out.fields = append(out.fields, fmt.Sprintf("F(NULL, OBJECT, %s, .flags = INL, .type = &T[T_%s])", number, sub.cname))
		return
	}
	props, _ := s["properties"].(map[string]any)
	p, _ := props[tag[0]].(map[string]any)
	k, more := kind(ft, p)
	var r []string
	if has(s["required"], tag[0]) {
		more = append(more, "REQ")
	}
	if pointer {
		more = append(more, "PTR")
	}
	omit := len(tag) > 1 && tag[1] == "omitempty"
	byValue := k == "OBJECT" || k == "TIME" || k == "MICROTIME" || k == "QUANTITY" || k == "INT_OR_STR"
	if !pointer && byValue {
		more = append(more, "VAL")
	} else if !omit {
		more = append(more, "KEEP")
	}
	switch p["x-kubernetes-list-type"] {
	case "set":
		more = append(more, "SET")
	case "map":
		more = append(more, "LMAP")
		var keys []string
		for _, k := range p["x-kubernetes-list-map-keys"].([]any) {
			keys = append(keys, k.(string))
		}
		r = append(r, ".keys = "+quote(strings.Join(keys, ",")))
	case "atomic":
		more = append(more, "ATOM")
	}
	if p["x-kubernetes-map-type"] == "atomic" {
		more = append(more, "ATOM")
	}
	for _, st := range strings.Split(f.Tag.Get("patchStrategy"), ",") {
		switch st {
		case "merge":
			more = append(more, "MERGE")
		case "retainKeys":
			more = append(more, "KEYS")
		}
	}
	if mk := f.Tag.Get("patchMergeKey"); mk != "" {
		r = append(r, ".merge_key = "+quote(mk))
	}
	if d, ok := p["default"]; ok && d != "" && d != 0.0 && d != false && fmt.Sprint(d) != "map[]" && !(f.Name == "ContainerPort") {
		b, _ := json.Marshal(d)
		r = append(r, ".def = "+quote(string(b)))
	}
	if goType(ft, k) != "" {
		r = append(r, ".go_type = "+quote(ft.String()))
	}
	out.fields = append(out.fields, fmt.Sprintf("F(%s, %s, %s%s)", quote(tag[0]), k, number, attrs(more, rule(r))))
}

func write() {
	var all []*table
	for _, k := range known {
		all = append(all, k)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	fmt.Println(`/*
 * The built-in Kubernetes kinds. Made by tools/k8s-tables from the facts of Kubernetes 1.32.3; do not edit.
 * Short names: see tables.h.
 */
#include "api/k8s/tables.h"
`)
	fmt.Println("enum {")
	for _, k := range all {
		fmt.Printf("    T_%s,\n", k.cname)
	}
	fmt.Printf("    T_COUNT\n};\n\nstatic const struct type T[T_COUNT];\n\nstatic const struct field_rules R[] = {\n")
	for _, r := range order {
		fmt.Printf("    { %s },\n", r)
	}
	fmt.Println("};\n")
	sort.Strings(itemOrder)
	// items of lists refer to other items: declare first
	for _, n := range itemOrder {
		fmt.Printf("static const struct field %s;\n", n)
	}
	for _, n := range itemOrder {
		fmt.Printf("static const struct field %s = %s;\n", n, items[n])
	}
	for _, k := range all {
		if len(k.fields) == 0 {
			continue
		}
		fmt.Printf("\nstatic const struct field F_%s[] = {\n", k.cname)
		for _, f := range k.fields {
			fmt.Printf("    %s,\n", f)
		}
		fmt.Println("};")
	}
	fmt.Println("\nstatic const struct type T[T_COUNT] = {")
	for _, k := range all {
		flags := strings.Join(append([]string{"TYPE_BUILTIN"}, k.flags...), "|")
		gvk := ""
		if k.gvk != nil {
			gvk = fmt.Sprintf(", .group = %q, .version = %q, .kind = %q", k.gvk[0], k.gvk[1], k.gvk[2])
		}
		n := fmt.Sprintf("LIST_OF(F_%s)", k.cname)
		if len(k.fields) == 0 {
			n = ".fields = NULL"
		}
		fmt.Printf("    [T_%s] = { %s, %s, .flags = %s%s },\n", k.cname, ".name = "+quote(k.name), n, flags, gvk)
	}
	fmt.Println("};\n\nconst struct type *const k8s_object_meta = &T[T_meta_v1_ObjectMeta];\nK8S_TABLE(T, T_COUNT)")
}
