using System.Collections.Concurrent;
using System.Data.Common;
using System.Reflection;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace ConcertSaga.Shared.Concurrency.Tests;

public sealed class SqliteWriterGateTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _file = Path.Combine(Path.GetTempPath(), $"gate-{Guid.CreateVersion7():n}.db");

    public async ValueTask InitializeAsync()
    {
        await using var context = Open();
        await context.Database.EnsureCreatedAsync();
    }

    public ValueTask DisposeAsync()
    {
        SqliteConnection.ClearAllPools();
        File.Delete(_file);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Transactions_TwoHundredAtOnce_AllCommit()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(async () =>
        {
            await using var context = Open();
            // SQLite's own wait is short: without the gate, a writer that meets others fails.
            WaitOneSecond(context);
            await using var transaction = await context.Database.BeginTransactionAsync();
            context.Notes.Add(new Note());
            await context.SaveChangesAsync();
            await transaction.CommitAsync();
        })));
        Assert.True(watch.Elapsed < Limit);
        await using var reader = Open();
        Assert.Equal(200, await reader.Notes.CountAsync());
    }

    /// <summary>The holder of the gate may itself be waiting for a transaction that waits for the gate.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Transaction_ThatGetsNoTurn_FailsAndTheNextOneBegins(bool async)
    {
        await using var holder = Open();
        var holding = await holder.Database.BeginTransactionAsync();
        await using (var waiting = Open(new SqliteWriterGate { MaxWait = TimeSpan.FromMilliseconds(50) }))
        {
            var failure = async
                ? await Assert.ThrowsAsync<TimeoutException>(() => waiting.Database.BeginTransactionAsync().WaitAsync(Limit))
                : Assert.Throws<TimeoutException>(() => waiting.Database.BeginTransaction());
            Assert.Contains(_file, failure.Message, StringComparison.Ordinal);
        }
        await holding.CommitAsync();
        await using var next = Open();
        await using var transaction = await next.Database.BeginTransactionAsync().WaitAsync(Limit);
    }

    /// <summary>EF Core reports no end of such a transaction.</summary>
    [Fact]
    public async Task Connection_ClosedWithoutEfCore_LetsTheNextTransactionBegin()
    {
        await using var holder = Open();
        await holder.Database.BeginTransactionAsync();
        await holder.Database.GetDbConnection().CloseAsync();

        await NextBeginsAsync();
    }

    /// <summary>EF Core does not count back when a transaction does not begin, and a pool closes connections without an event.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task PooledContext_WhoseTransactionDidNotBegin_HoldsNoGateLater(bool async)
    {
        var pool = new PooledDbContextFactory<NotesContext>(
            new DbContextOptionsBuilder<NotesContext>().UseSqlite($"Data Source={_file}")
                .AddInterceptors(new SqliteWriterGate { MaxWait = TimeSpan.FromMilliseconds(50) }).Options, poolSize: 1);
        await using (var holder = Open())
        {
            await using var holding = await holder.Database.BeginTransactionAsync();
            await using var refused = pool.CreateDbContext();
            if (async)
                await Assert.ThrowsAsync<TimeoutException>(() => refused.Database.BeginTransactionAsync());
            else
                Assert.Throws<TimeoutException>(() => refused.Database.BeginTransaction());
        }

        await using (var later = pool.CreateDbContext())
        {
            await (await later.Database.BeginTransactionAsync()).DisposeAsync();
            await NextBeginsAsync();
            await later.Database.BeginTransactionAsync();
        }
        await NextBeginsAsync();
    }

    [Fact]
    public async Task Transactions_Waiting_BeginInOrderOfArrival()
    {
        var order = new ConcurrentQueue<int>();
        await using var first = Open();
        var holding = await first.Database.BeginTransactionAsync();
        var waiting = new List<Task>();
        for (var number = 0; number < 20; number++)
            waiting.Add(EnterAsync(number));
        await holding.CommitAsync();
        await Task.WhenAll(waiting).WaitAsync(Limit);
        Assert.Equal(Enumerable.Range(0, 20), order);

        async Task EnterAsync(int number)
        {
            await using var context = Open();
            await using var transaction = await context.Database.BeginTransactionAsync();
            order.Enqueue(number);
            await transaction.CommitAsync();
        }
    }

    [Fact]
    public async Task Transaction_OnlyDisposed_ReleasesTheGate()
    {
        await using (var context = Open())
        await using (await context.Database.BeginTransactionAsync())
        {
        }
        await NextBeginsAsync();
    }

    /// <summary>The connection stays open, so the gate is released by the next transaction or when the connection closes.</summary>
    [Fact]
    public async Task Transaction_OnlyDisposedOnAConnectionTheCallerOpened_ReleasesTheGate()
    {
        await using (var context = Open())
        {
            await context.Database.OpenConnectionAsync();
            for (var i = 0; i < 2; i++)
            {
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
                await using var transaction = await context.Database.BeginTransactionAsync(limit.Token);
            }
            await context.Database.CloseConnectionAsync();
        }
        await NextBeginsAsync();
    }

    /// <summary>EF Core raises no event when a disposed context closes the connection that its caller opened.</summary>
    [Fact]
    public async Task Transaction_OnAConnectionTheCallerNeverClosed_ReleasesTheGate()
    {
        await using (var context = Open())
        {
            await context.Database.OpenConnectionAsync();
            await using var transaction = await context.Database.BeginTransactionAsync();
        }
        await NextBeginsAsync();
    }

    [Fact]
    public async Task Transaction_RolledBack_ReleasesTheGate()
    {
        await using var context = Open();
        await using var transaction = await context.Database.BeginTransactionAsync();
        await transaction.RollbackAsync();
        await NextBeginsAsync();
    }

    [Fact]
    public async Task Wait_Cancelled_LeavesTheGateFree()
    {
        await using var first = Open();
        var holding = await first.Database.BeginTransactionAsync();
        using (var cancellation = new CancellationTokenSource())
        {
            await using var second = Open();
            var waiting = second.Database.BeginTransactionAsync(cancellation.Token);
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        }
        await holding.CommitAsync();
        await NextBeginsAsync();
    }

    /// <summary>Another process holds the file for longer than the caller waits.</summary>
    [Fact]
    public async Task Transaction_ThatCouldNotBegin_ReleasesTheGate()
    {
        await using var context = Open();
        await using (var other = new SqliteConnection(context.Database.GetConnectionString()))
        {
            await other.OpenAsync();
            await using var foreign = other.BeginTransaction();
            await using var failing = Open();
            WaitOneSecond(failing);
            await Assert.ThrowsAsync<SqliteException>(() => failing.Database.BeginTransactionAsync());
        }
        await NextBeginsAsync();
    }

    [Fact]
    public async Task Save_WithoutATransaction_Waits()
    {
        await using var first = Open();
        var holding = await first.Database.BeginTransactionAsync();
        await using var second = Open();
        WaitOneSecond(second);
        second.Notes.Add(new Note());
        var saving = second.SaveChangesAsync();
        Assert.False(saving.IsCompleted);
        await holding.CommitAsync();
        Assert.Equal(1, await saving.WaitAsync(Limit));
    }

    [Fact]
    public async Task Holders_AfterTheirTransactions_AreRemoved()
    {
        for (var i = 0; i < 20; i++)
        {
            await using var context = Open();
            context.Notes.Add(new Note());
            await context.SaveChangesAsync();
        }
        var held = (System.Collections.IDictionary)typeof(SqliteWriterGate)
            .GetField("Held", BindingFlags.NonPublic | BindingFlags.Static)!.GetValue(null)!;
        await using var mine = Open();
        Assert.DoesNotContain(held.Keys.Cast<DbConnection>(),
            connection => connection.ConnectionString == mine.Database.GetConnectionString());
    }

    private NotesContext Open(SqliteWriterGate? gate = null) => new(new DbContextOptionsBuilder<NotesContext>()
        .UseSqlite($"Data Source={_file}").AddInterceptors(gate ?? new SqliteWriterGate()).Options);

    // A transaction begins with the connection's time limit, not with that of the context's commands.
    private static void WaitOneSecond(DbContext context) => ((SqliteConnection)context.Database.GetDbConnection()).DefaultTimeout = 1;

    private async Task NextBeginsAsync()
    {
        await using var next = Open();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await using var transaction = await next.Database.BeginTransactionAsync(limit.Token);
        await transaction.CommitAsync(CancellationToken.None);
    }
}

public sealed class NotesContext(DbContextOptions<NotesContext> options) : DbContext(options)
{
    public DbSet<Note> Notes => Set<Note>();
}

public sealed class Note
{
    public Guid Id { get; init; } = Guid.CreateVersion7();
}
