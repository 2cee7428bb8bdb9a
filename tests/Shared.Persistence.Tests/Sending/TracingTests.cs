using System.Collections.Concurrent;
using System.Diagnostics;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>A trace continues through the outbox, with MassTransit's own activity names.</summary>
public sealed class TracingTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Delivery_OfAConsumerOrARequest_IsInTheTraceOfItsSender(bool ofConsumer)
    {
        var activities = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "MassTransit" || source.Name == nameof(TracingTests),
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activities.Enqueue
        };
        ActivitySource.AddActivityListener(listener);
        using var source = new ActivitySource(nameof(TracingTests));
        await using var database = await TestDatabase.CreateAsync(Store.Sqlite, server);
        await using var host = await OutboxHost.StartAsync(database);
        var id = Guid.CreateVersion7();

        ActivityTraceId trace;
        using (var request = source.StartActivity("request")!)
        {
            trace = request.TraceId;
            if (ofConsumer)
            {
                await host.SendToConsumerAsync(new WriteNote(id, 1), Guid.CreateVersion7());
            }
            else
            {
                await using var unit = new UnitOfWork(host);
                await unit.PublishAsync(new NoteWritten(id, 1));
                await unit.SaveAsync();
            }
        }
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 1, Limit, "it arrives");

        await Eventually.TrueAsync(() => activities.Any(activity => activity.TraceId == trace
            && activity.OperationName == "outbox process"), Limit, "its delivery is in the trace");
        await Eventually.TrueAsync(() => activities.Any(activity => activity.TraceId == trace && activity.Kind == ActivityKind.Consumer
            && activity.DisplayName.StartsWith("receiving", StringComparison.Ordinal)), Limit, "so is its arrival");
    }
}
