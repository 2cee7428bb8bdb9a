using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>A clock was an hour fast and is right again. No stored time delays messages or clean-up by that hour.</summary>
public sealed class ClockTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Ahead = TimeSpan.FromHours(1);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    /// <summary>The rows with a wrong time.</summary>
    public enum WrongTimestamp
    {
        Lease,
        Message,
        Both
    }

    public static MatrixTheoryData<Store, WrongTimestamp, bool> Kinds =>
        new([Store.Sqlite, Store.PostgreSql], Enum.GetValues<WrongTimestamp>(), [true, false]);

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Messages_DatedByAFastClock_LeaveAtOnce(Store store, WrongTimestamp misdated, bool ofConsumer)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var id = Guid.CreateVersion7();
        await StoreAsync(database, id, misdated == WrongTimestamp.Lease ? Minute : -Ahead, misdated == WrongTimestamp.Message ? Minute
            : -Ahead, ofConsumer);
        await using var host = await OutboxHost.StartAsync(database);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 2, Limit, "they leave");
        await using var context = database.Open();
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync(), Limit, "and are marked");
    }

    [Theory]
    [MemberData(nameof(Stores.Plain), MemberType = typeof(Stores))]
    public async Task Message_DelayedByAFastClock_IsDelayedFromNow(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (id, log) = (Guid.CreateVersion7(), new LogCounter());
        await StoreAsync(database, id, -Ahead, Minute, ofConsumer: false, row =>
        {
            row.EnqueueTime = row.SentTime + TimeSpan.FromSeconds(2);
            row.ExpirationTime = row.SentTime + Minute;
        });
        await using var host = await OutboxHost.StartAsync(database, log: log);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 2, Limit, "they leave");
        Assert.Single(log.Lines, line => line.Text.Contains("wrong clock", StringComparison.Ordinal));
    }

    /// <summary>The sweeper respects a lease of a process whose clock is slightly fast.</summary>
    [Theory]
    [MemberData(nameof(Stores.Plain), MemberType = typeof(Stores))]
    public async Task Lease_OfASlightlyFastClock_IsRespected(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        var (held, free) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        await UnsentMessages.StoreAsync(database, clock, held, Minute, TimeSpan.FromSeconds(-5));
        await UnsentMessages.StoreAsync(database, clock, free, Minute, Minute);
        await using var host = await OutboxHost.StartAsync(database, clock);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(free).Count == 2, Limit, "the other one leaves");
        Assert.Empty(host.Script.ArrivedFor(held));
        clock.Advance(Minute);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(held).Count == 2, Limit, "it leaves after its lease");
    }

    [Theory]
    [MemberData(nameof(Stores.Plain), MemberType = typeof(Stores))]
    public async Task InboxEntry_OfAFastClock_IsKeptForTheWindowFromNow(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var clock = new ShiftedClock();
        await using var context = database.Open();
        context.Add(UnsentMessages.InboxEntry(clock, Guid.CreateVersion7(), TimeSpan.FromDays(-3650), isDelivered: true));
        await context.SaveChangesAsync(TestContext.Current.CancellationToken);
        await using var host = await OutboxHost.StartAsync(database, clock);
        var soon = Now + Minute;
        await Eventually.TrueAsync(() => context.Set<InboxState>().AnyAsync(row => row.Received < soon), Limit, "it counts from now on");
        clock.Advance(Ahead);
        await Eventually.TrueAsync(async () => !await context.Set<InboxState>().AnyAsync(), Limit, "and goes after the window");
    }

    /// <summary>With the in-memory transport, delivered messages are kept and resent at the next start.</summary>
    [Fact]
    public async Task Message_KeptByAFastClock_IsResentAndDeleted()
    {
        await using var database = await TestDatabase.CreateAsync(Store.Sqlite, server);
        var (clock, id) = (new ShiftedClock(), Guid.CreateVersion7());
        await StoreAsync(database, id, -Ahead, -Ahead, ofConsumer: false);
        await using var context = database.Open();
        var ahead = Now + Ahead;
        await context.Set<OutboxState>().ExecuteUpdateAsync(set => set.SetProperty(row => row.Delivered, ahead),
            TestContext.Current.CancellationToken);
        await using var host = await OutboxHost.StartAsync(database, clock, outbox => outbox.DeliveredRetention = Minute);
        await Eventually.TrueAsync(() => host.Script.ArrivedFor(id).Count == 2, Limit, "they are resent");
        var soon = Now + Minute;
        await Eventually.TrueAsync(() => context.Set<OutboxState>().AnyAsync(row => row.Delivered < soon), Limit,
            "the retention counts from now on");
        clock.Advance(2 * Minute);
        await Eventually.TrueAsync(async () => !await context.Set<OutboxMessage>().AnyAsync(), Limit, "they are deleted after it");
    }

    private static DateTime Now => TimeProvider.System.GetUtcNow().UtcDateTime;

    private static Task StoreAsync(
        TestDatabase database, Guid id, TimeSpan age, TimeSpan lockAge, bool ofConsumer, Action<OutboxMessage>? change = null) =>
        ofConsumer
            ? UnsentMessages.StoreOfConsumerAsync(database, TimeProvider.System, id, age, lockAge, change)
            : UnsentMessages.StoreAsync(database, TimeProvider.System, id, age, lockAge, change);
}
