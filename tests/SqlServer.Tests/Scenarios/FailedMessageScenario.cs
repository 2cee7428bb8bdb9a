using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Operations.Bulk;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Lets commands fail, and takes their messages through every status.</summary>
internal static class FailedMessageScenario
{
    private const string Route = "/ops/api/failed-messages";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task RunAsync(ProductHost host)
    {
        // Nothing is deducted for an amount of 0, so the consumer rejects it.
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ =>
            host.SendAsync(CommandQueues.DeductPoints, new DeductPoints(Guid.CreateVersion7(), 1, "mina", 0))));
        long[] ids = [];
        await Eventually.TrueAsync(async () =>
        {
            var list = (await host.CallAsync("olga", HttpMethod.Get, $"{Route}?queue=points-deduct")).Body;
            ids = [.. list.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("failedMessageId").GetInt64())];
            return ids.Length == 3;
        }, Limit, "the failed messages are stored");
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Get, $"{Route}/groups"));
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Get, $"{Route}/{ids[0]}"));
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Get,
            $"{Route}?kind=Error&exception=System.ArgumentOutOfRangeException&messageType=X&status=Requeued"));

        await EndedAsync(host, await host.CallAsync("olga", HttpMethod.Post, $"{Route}/discard", new { ids = ids[..1], reason = "x" }));
        await EndedAsync(host, await host.CallAsync("olga", HttpMethod.Post, $"{Route}/requeue", new { ids = ids[..2], reason = "x" }));
        var dryRun = await host.CallAsync("olga", HttpMethod.Post, $"{Route}/discard",
            new { filter = new { queue = "points-deduct" }, dryRun = true });
        var selection = dryRun.Body.GetProperty("selection").GetGuid();
        await Expect.StatusAsync(404, host.CallAsync("olga", HttpMethod.Post, $"{Route}/requeue", new { selection, reason = "x" }));
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Delete, $"/ops/api/operations/{selection}?reason=x"));

        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Get, $"/ops/api/operations?cursor={Paging.Write(
            new InstantKey<Guid>(DateTimeOffset.UnixEpoch, Guid.CreateVersion7()))}"));

        await host.Services.GetRequiredService<OperationsCleaner>().RunOnceAsync(CancellationToken.None);
    }

    /// <summary>Waits for the end of a started operation.</summary>
    public static async Task EndedAsync(ProductHost host, (int Status, System.Text.Json.JsonElement Body) started)
    {
        Assert.Equal(202, started.Status);
        var address = $"/ops/api/operations/{started.Body.GetProperty("operationId").GetGuid()}";
        await Eventually.TrueAsync(async () => (await host.CallAsync("olga", HttpMethod.Get, address)).Body.GetProperty("status")
            .GetString() == "Completed", Limit, "the operation is completed");
    }
}
