using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>A database and a host whose messages a test follows by one id.</summary>
internal sealed class OutboxScenario : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private OutboxScenario(TestDatabase database, OutboxHost host)
    {
        Database = database;
        Host = host;
    }

    public Guid Id { get; } = Guid.CreateVersion7();

    public TestDatabase Database { get; }

    public OutboxHost Host { get; }

    /// <summary>The numbers of the messages that have arrived, in order of arrival.</summary>
    public IEnumerable<int> Arrived => Host.Script.ArrivedFor(Id).Select(message => message.Number);

    public static async Task<OutboxScenario> StartAsync(Store store, PostgreSqlServer server, TimeProvider? clock = null)
    {
        var database = await TestDatabase.CreateAsync(store, server);
        return new OutboxScenario(database, await OutboxHost.StartAsync(database, clock));
    }

    public UnitOfWork NewUnit() => new(Host);

    /// <summary>Creates the message with this number.</summary>
    public NoteWritten Message(int number) => new(Id, number);

    public Task ArrivesAsync(int count) => Eventually.TrueAsync(() => Arrived.Count() >= count, Limit, $"{count} messages arrive");

    public Task OutboxIsEmptyAsync() => OutboxIsEmptyAsync(Database);

    public static async Task OutboxIsEmptyAsync(TestDatabase database)
    {
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync()
            && !await context.Set<OutboxState>().AnyAsync(), Limit, "the outbox is empty");
    }

    /// <summary>Waits until all messages that were sent before this call have arrived.</summary>
    public Task EarlierMessagesArriveAsync() => EarlierMessagesArriveAsync(Host);

    public static async Task EarlierMessagesArriveAsync(OutboxHost host)
    {
        var id = Guid.CreateVersion7();
        await host.SendAsync("receiving", new NoteWritten(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 1, Limit, "a later message arrives");
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        await Database.DisposeAsync();
    }
}
