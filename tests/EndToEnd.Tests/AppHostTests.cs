using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>The one command that starts the distributed product, with its servers, and sends its telemetry to a collector.</summary>
[Trait("Part", "Sale")]
public sealed class AppHostTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private static readonly string[] Processes =
        ["gateway", "orchestrator", "seats", "points", "payments", "queue", "dataplatform"];

    /// <summary>From the request of the customer to the delivery to the data platform.</summary>
    [Fact]
    public async Task Reservation_OnTheAppHost_HasOneTraceThroughAllProcesses()
    {
        await using var collector = await TraceCollector.StartAsync();
        var gateway = new Uri($"http://127.0.0.1:{LoopbackPort.Free()}");
        var program = Repository.ProgramOf("AppHost");
        await using var host = await GuardedProcess.StartAsync(
            ["dotnet", program, $"--Gateway={gateway.GetLeftPart(UriPartial.Authority)}", "--Dashboard=false"],
            new Dictionary<string, string?>
            {
                ["ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL"] = collector.Address,
                ["ASPIRE_ALLOW_UNSECURED_TRANSPORT"] = "true",
                ["OTEL_BSP_SCHEDULE_DELAY"] = "500"
            },
            Path.GetDirectoryName(program)!);
        try
        {
            await Eventually.TrueAsync(
                async () => (await Customer.SendAsync(gateway, HttpMethod.Get, "/health/ready", null, null)).Status == 200, Limit,
                "the gateway is ready");
            var customer = await Customer.SignInAsync(gateway, points: 500_000);
            // The first answer of a system that has just started may take longer than a customer waits.
            var key = Guid.CreateVersion7();
            Answer? sold = null;
            await Eventually.TrueAsync(async () =>
            {
                sold = await customer.ReserveAsync(new SeatSelection(1, [1, 2]), pay: true, key, prefer: "wait=10");
                return sold.Status is 200 or 201 or 202;
            }, Limit, "a reservation is accepted");
            await customer.WaitForAsync(sold!.ReservationId, Limit, ["Confirmed"]);

            string[] reached = [];
            await Eventually.TrueAsync(() => (reached = ProcessesOfTheSale(collector)).Length == Processes.Length, Limit,
                "the trace of the sale contains all processes");
            Assert.Equal(Processes.Order(), reached);
            Assert.Equal(0, await host.TerminateAsync(TimeSpan.FromMinutes(1)));
        }
        catch
        {
            output.WriteLine(host.Output);
            foreach (var trace in collector.Spans.GroupBy(span => span.Trace))
                output.WriteLine($"{trace.Key}: {string.Join(", ", trace.Select(span => $"{span.Service} {span.Name}").Distinct())}");
            throw;
        }
    }

    // The delivery is the last span.
    private static string[] ProcessesOfTheSale(TraceCollector collector) => [.. collector.Spans.GroupBy(span => span.Trace)
        .Where(trace => trace.Any(span => span is { Service: "gateway", Name: "POST /api/reservations" })
            && trace.Any(span => span is { Service: "dataplatform", Name: "deliver" }))
        .SelectMany(trace => trace.Select(span => span.Service)).Distinct().Order()];
}
