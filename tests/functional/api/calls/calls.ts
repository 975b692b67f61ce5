// The same with the types of openapi-typescript and the client openapi-fetch.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

declare const process: { argv: string[] };

const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl: process.argv[2] });

function got<T>(result: { data?: T; error?: unknown }): T {
  if (result.data === undefined) throw new Error(JSON.stringify(result.error));
  return result.data;
}

const after = "2026-11-22T00:00:00Z";
const first = got(await client.GET("/jobs", { params: { query: { Family: ["ALL"], MaxResults: 2 } } }));
const second = got(
  await client.GET("/jobs", { params: { query: { Family: ["ALL"], MaxResults: 2, NextToken: first.NextToken } } }),
);
const jobs = [first, second].flatMap((page) => page.ComprehendMedicalAsyncJobPropertiesList);
const failed = got(
  await client.GET("/jobs", {
    params: {
      query: {
        JobName: "nightly notes: 1/2+3",
        JobStatus: ["FAILED", "STOPPED"],
        SubmitTimeAfter: after,
        SubmitTimeBefore: "2027-01-01",
      },
    },
  }),
);
const JobId = jobs[0].JobId ?? "";
const described = got(await client.GET("/jobs/{JobId}", { params: { path: { JobId } } }));
const later = described.ComprehendMedicalAsyncJobProperties;
const digest = got(
  await client.POST("/digests", {
    params: { header: { "Idempotency-Key": "generated-client" } },
    body: { WindowStart: "2026-11-01T00:00:00Z", WindowEnd: "2026-11-02" },
  }),
);
const summary = got(await client.GET("/summary", { params: { query: { Family: ["ALL"], SubmitTimeAfter: after } } }));
const health = got(await client.GET("/health"));
const wrong = await client.GET("/jobs", { params: { query: { JobName: "a*" } } });
// Other formats are text, whatever the type says.
const csv = await client.GET("/jobs", { params: { query: { Format: "csv" } }, parseAs: "text" });

console.log(
  JSON.stringify({
    Listed: jobs.map((job) => job.JobId),
    Failed: failed.ComprehendMedicalAsyncJobPropertiesList.map((job) => job.JobId),
    Later: [later.JobStatus, later["Quality"]],
    Total: summary.Total,
    Status: health.Status,
    WindowEnd: digest.Window.End.slice(0, 10),
    Wrong: wrong.error?.errors?.map((each) => each.parameter),
    Csv: String(csv.data).slice(0, 7),
  }),
);
