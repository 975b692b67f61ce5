// The same with the client that openapi-generator makes for Java (library `native`).

import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.DigestsApi;
import org.openapitools.client.api.JobsApi;
import org.openapitools.client.api.LedgerApi;
import org.openapitools.client.model.DigestRequest;
import org.openapitools.client.model.Job;
import org.openapitools.client.model.JobList;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.ProblemErrorsInner;

public class Calls {
  static List<String> ids(List<Job> jobs) {
    return jobs.stream().map(Job::getJobId).toList();
  }

  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri(arguments[0]);
    ObjectMapper json = client.getObjectMapper();
    JobsApi jobs = new JobsApi(client);
    List<String> every = List.of("ALL");
    String after = "2026-11-22T00:00:00Z";

    JobList first = jobs.listJobs(every, null, null, null, null, null, null, null, null, null, 2, null, null, null, null);
    JobList second =
        jobs.listJobs(
            every, null, null, null, null, null, null, null, null, null, 2, first.getNextToken(), null, null, null);
    List<Job> listed = new ArrayList<>(first.getComprehendMedicalAsyncJobPropertiesList());
    listed.addAll(second.getComprehendMedicalAsyncJobPropertiesList());
    JobList failed =
        jobs.listJobs(
            null, "nightly notes: 1/2+3", null, List.of("FAILED", "STOPPED"), after, "2027-01-01",
            null, null, null, null, null, null, null, null, null);
    Job later = jobs.describeJob(listed.get(0).getJobId(), null, null).getComprehendMedicalAsyncJobProperties();
    DigestRequest window =
        new DigestRequest()
            .windowStart("2026-11-01T00:00:00Z")
            .windowEnd("2026-11-02");

    var results = new LinkedHashMap<String, Object>();
    results.put("Listed", ids(listed));
    results.put("Failed", ids(failed.getComprehendMedicalAsyncJobPropertiesList()));
    results.put("Later", List.of(later.getJobStatus(), later.getAdditionalProperty("Quality")));
    results.put("Total", jobs.summariseJobs(every, null, null, null, after, null, null, null).getTotal());
    results.put("Status", new LedgerApi(client).getHealth().getStatus());
    var digest = new DigestsApi(client).publishDigest("generated-client", window);
    results.put("WindowEnd", digest.getWindow().getEnd().toString().substring(0, 10));
    try {
      jobs.listJobs(null, "a*", null, null, null, null, null, null, null, null, null, null, null, null, null);
    } catch (ApiException error) {
      Problem problem = json.readValue(error.getResponseBody(), Problem.class);
      results.put("Wrong", problem.getErrors().stream().map(ProblemErrorsInner::getParameter).toList());
    }
    // What its parser cannot read: the text of another format.
    var request = HttpRequest.newBuilder(URI.create(client.getBaseUri() + "/jobs?Format=csv")).build();
    results.put("Csv", client.getHttpClient().send(request, BodyHandlers.ofString()).body().substring(0, 7));
    System.out.println(json.writeValueAsString(results));
  }
}
