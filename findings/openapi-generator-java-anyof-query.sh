#!/bin/sh
# openapi-generator's Java client (library native) sends `null` for a query parameter that is anyOf two strings.
# The document is valid and passes the generator's own check; the parameter as one string works.
# Needs java and javac (11 or newer). The generator's jar has Jackson, which is all that the client needs.
set -eu
command -v javac >/dev/null || { echo "skipped: there is no JDK"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install openapi-generator-cli==7.26.0
jar=$(find "$folder/venv" -name 'openapi-generator.jar')
cd "$folder"
cat >api.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/jobs": {"get": {
  "operationId": "find", "tags": ["jobs"], "responses": {"200": {"description": "ok"}}, "parameters": [
    {"name": "After", "in": "query", "schema": {"anyOf": [{"type": "string", "format": "date"}, {"type": "string"}]}}]}}}}
JSON
java -jar "$jar" validate -i api.json 2>&1 | grep "No validation issues"
java -jar "$jar" generate -g java --library native -i api.json -o client \
    --global-property apis,models,supportingFiles,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false \
    --additional-properties openApiNullable=false,hideGenerationTimestamp=true >/dev/null 2>&1
cat >Generated.java <<'JAVA'
package javax.annotation;
public @interface Generated { String[] value(); String comments() default ""; }
JAVA
cat >Call.java <<'JAVA'
import java.time.LocalDate;
import org.openapitools.client.*;
import org.openapitools.client.api.JobsApi;
import org.openapitools.client.model.FindAfterParameter;

public class Call {
  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri("http://127.0.0.1:1");
    client.setRequestInterceptor(builder -> {
      System.out.println(builder.build().uri().getRawQuery());
      System.exit(0);
    });
    new JobsApi(client).find(new FindAfterParameter(LocalDate.parse("2026-11-23")));
  }
}
JAVA
javac -nowarn -proc:none -cp "$jar" -d classes Generated.java Call.java $(find client/src/main -name '*.java')
seen=$(java -cp "$jar:classes" Call)
echo "openapi-generator 7.26.0, library native"
echo "expected query: After=2026-11-23"
echo "seen query: $seen"
test "$seen" = "null" || { echo "openapi-generator has changed"; exit 1; }
