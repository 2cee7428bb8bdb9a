using ConcertSaga.Contracts.Operations;
using ConcertSaga.Operations.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations.Overview;

/// <summary>Reads the parts of the overview from their owners at the same time, for all callers of the next two seconds.</summary>
internal sealed class OverviewReader(
    IServiceScopeFactory scopes, ServiceClient services, QueueBacklogReader queues, ProcessMonitor processes,
    IOptions<OperationsOptions> options, TimeProvider clock)
{
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private Task<OverviewView>? _latest;
    private long _startedAt;

    /// <summary>Reads the overview, or returns one that is at most two seconds old.</summary>
    public Task<OverviewView> ReadAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_latest is null || _latest.IsFaulted || clock.GetElapsedTime(_startedAt) > Freshness)
                (_latest, _startedAt) = (ReadAllAsync(), clock.GetTimestamp());
            return _latest.WaitAsync(cancellationToken);
        }
    }

    // Without the token of a caller, because others wait for the same answer. Each part has a time limit.
    private async Task<OverviewView> ReadAllAsync()
    {
        var settings = options.Value;
        var reservations = services.TryReadAsync<ReservationOverview>(
            settings.OrchestratorAddress, "/internal/overview/reservations", CancellationToken.None);
        var rooms = services.TryReadAsync<WaitingRoomOverview>(
            settings.QueueAddress, "/internal/overview/waiting-rooms", CancellationToken.None);
        var relay = services.TryReadAsync<RelayOverview>(
            settings.DataPlatformAddress, "/internal/overview/relay", CancellationToken.None);
        var backlogs = queues.TryReadAsync(OperationsService.Queues);
        var failed = await CountFailedAsync();
        await Task.WhenAll(reservations, rooms, relay, backlogs);
        string?[] missing =
        [
            await reservations is null ? "orchestrator" : null, await rooms is null ? "queue" : null,
            await relay is null ? "dataplatform" : null, await backlogs is null ? "rabbitmq" : null
        ];
        return new OverviewView(clock.GetUtcNow(), await reservations, (await rooms)?.Rooms, await relay, failed, await backlogs,
            processes.Processes, [.. missing.OfType<string>().Union(processes.Silent).Order(StringComparer.Ordinal)]);
    }

    private async Task<int> CountFailedAsync()
    {
        await using var scope = scopes.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<OperationsDbContext>().FailedMessages
            .CountAsync(message => message.Status == FailedMessageStatus.Waiting);
    }
}
