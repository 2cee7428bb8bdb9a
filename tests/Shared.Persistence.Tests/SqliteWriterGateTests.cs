using System.Collections.Concurrent;
using System.Data.Common;
using System.Reflection;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

public sealed class SqliteWriterGateTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestDatabase.CreateAsync(Store.Sqlite, null!);

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task Transactions_TwoHundredAtOnce_AllCommitWithoutBeingBusy()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(async () =>
        {
            await using var context = _database.Open();
            // SQLite's own waiting is short: who meets other writers fails.
            WaitOneSecond(context);
            await using var transaction = await context.Database.BeginTransactionAsync();
            context.Notes.Add(new Note { About = Guid.CreateVersion7() });
            await context.SaveChangesAsync();
            await transaction.CommitAsync();
        })));
        Assert.True(watch.Elapsed < Limit);
        await using var reader = _database.Open();
        Assert.Equal(200, await reader.Notes.CountAsync());
    }

    /// <summary>Who holds the gate may be the one who waits for whoever stands before it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Transaction_ThatGetsNoTurn_FailsAndTheNextOneGetsIn(bool async)
    {
        await using var holder = _database.Open();
        var holding = await holder.Database.BeginTransactionAsync();
        await using (var impatient = new TestDbContext(new DbContextOptionsBuilder<TestDbContext>().UseSqlite($"Data Source={_database.Address}")
            .AddInterceptors(new SqliteWriterGate { Patience = TimeSpan.FromMilliseconds(50) }).Options))
        {
            var failure = async ? await Assert.ThrowsAsync<TimeoutException>(() => impatient.Database.BeginTransactionAsync().WaitAsync(Limit))
                : Assert.Throws<TimeoutException>(() => impatient.Database.BeginTransaction());
            Assert.Contains(_database.Address, failure.Message, StringComparison.Ordinal);
        }
        await holding.CommitAsync();
        await using var next = _database.Open();
        await using var transaction = await next.Database.BeginTransactionAsync().WaitAsync(Limit);
    }

    [Fact]
    public async Task Transactions_Waiting_GetInInTheOrderTheyCame()
    {
        var order = new ConcurrentQueue<int>();
        await using var first = _database.Open();
        var holding = await first.Database.BeginTransactionAsync();
        var waiting = new List<Task>();
        for (var number = 0; number < 20; number++)
            waiting.Add(EnterAsync(number));
        await holding.CommitAsync();
        await Task.WhenAll(waiting).WaitAsync(Limit);
        Assert.Equal(Enumerable.Range(0, 20), order);

        async Task EnterAsync(int number)
        {
            await using var context = _database.Open();
            await using var transaction = await context.Database.BeginTransactionAsync();
            order.Enqueue(number);
            await transaction.CommitAsync();
        }
    }

    [Fact]
    public async Task Transaction_OnlyDisposed_LetsTheNextIn()
    {
        await using (var context = _database.Open())
        await using (await context.Database.BeginTransactionAsync())
        {
        }
        await NextGetsInAsync();
    }

    /// <summary>The connection stays open, so the gate learns of it at the next transaction or when the connection closes.</summary>
    [Fact]
    public async Task Transaction_OnlyDisposedOnAConnectionTheCallerOpened_LetsTheNextIn()
    {
        await using (var context = _database.Open())
        {
            await context.Database.OpenConnectionAsync();
            for (var i = 0; i < 2; i++)
            {
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
                await using var transaction = await context.Database.BeginTransactionAsync(limit.Token);
            }
            await context.Database.CloseConnectionAsync();
        }
        await NextGetsInAsync();
    }

    /// <summary>EF Core does not tell that a context which is disposed closes the connection its caller opened.</summary>
    [Fact]
    public async Task Transaction_OnAConnectionTheCallerNeverClosed_LetsTheNextIn()
    {
        await using (var context = _database.Open())
        {
            await context.Database.OpenConnectionAsync();
            await using var transaction = await context.Database.BeginTransactionAsync();
        }
        await NextGetsInAsync();
    }

    [Fact]
    public async Task Transaction_RolledBack_LetsTheNextIn()
    {
        await using var context = _database.Open();
        await using var transaction = await context.Database.BeginTransactionAsync();
        await transaction.RollbackAsync();
        await NextGetsInAsync();
    }

    [Fact]
    public async Task Wait_Cancelled_LeavesNothingTaken()
    {
        await using var first = _database.Open();
        var holding = await first.Database.BeginTransactionAsync();
        using (var cancellation = new CancellationTokenSource())
        {
            await using var second = _database.Open();
            var waiting = second.Database.BeginTransactionAsync(cancellation.Token);
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        }
        await holding.CommitAsync();
        await NextGetsInAsync();
    }

    /// <summary>Another process holds the file for longer than the caller waits.</summary>
    [Fact]
    public async Task Transaction_ThatCouldNotBegin_LetsTheNextIn()
    {
        await using var context = _database.Open();
        await using (var other = new SqliteConnection(context.Database.GetConnectionString()))
        {
            await other.OpenAsync();
            await using var foreign = other.BeginTransaction();
            await using var failing = _database.Open();
            WaitOneSecond(failing);
            await Assert.ThrowsAsync<SqliteException>(() => failing.Database.BeginTransactionAsync());
        }
        await NextGetsInAsync();
    }

    [Fact]
    public async Task Saves_WithoutATransaction_WaitToo()
    {
        await using var first = _database.Open();
        var holding = await first.Database.BeginTransactionAsync();
        await using var second = _database.Open();
        WaitOneSecond(second);
        second.Notes.Add(new Note { About = Guid.CreateVersion7() });
        var saving = second.SaveChangesAsync();
        Assert.False(saving.IsCompleted);
        await holding.CommitAsync();
        Assert.Equal(1, await saving.WaitAsync(Limit));
    }

    [Fact]
    public async Task Holders_AfterTheirTransactions_AreForgotten()
    {
        for (var i = 0; i < 20; i++)
        {
            await using var context = _database.Open();
            context.Notes.Add(new Note { About = Guid.CreateVersion7() });
            await context.SaveChangesAsync();
        }
        var held = (System.Collections.IDictionary)typeof(SqliteWriterGate).GetField("Held", BindingFlags.NonPublic | BindingFlags.Static)!.GetValue(null)!;
        await using var mine = _database.Open();
        Assert.DoesNotContain(held.Keys.Cast<DbConnection>(), connection => connection.ConnectionString == mine.Database.GetConnectionString());
    }

    // A transaction begins with the connection's time limit, not with that of the context's commands.
    private static void WaitOneSecond(DbContext context) => ((SqliteConnection)context.Database.GetDbConnection()).DefaultTimeout = 1;

    private async Task NextGetsInAsync()
    {
        await using var next = _database.Open();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await using var transaction = await next.Database.BeginTransactionAsync(limit.Token);
        await transaction.CommitAsync(CancellationToken.None);
    }
}
