using System.Diagnostics;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>Messages share transactions, and are not harmed by it.</summary>
public sealed class GroupCommitTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>While the first is being committed fifteen others are handled; they go together.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Messages_HandledDuringACommit_ShareTheNextOne(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script();
        var held = new HeldCommit(script);
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var ids = await held.FillAsync(host, 16);

        held.Release();
        await Eventually.TrueAsync(() => ids.All(id => script.ArrivedFor(id).Count == 1), Limit, "what each sent arrives");
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();

        Assert.All(ids, id => Assert.Equal(1, script.HandledFor(id)));
        await using var context = database.Open();
        Assert.Equal(16, await context.Notes.CountAsync());
        Assert.Equal(16, await context.Set<InboxState>().CountAsync(row => row.Delivered != null));
        // One that was handled, but not yet waiting to be written, when the first commit ended, comes with the third.
        Assert.Equal(1, held.NotesPerCommit[0]);
        Assert.InRange(held.NotesPerCommit.Length, 2, 3);
        Assert.Equal(16, held.NotesPerCommit.Sum());
    }

    /// <summary>A commit is several messages'; it must not go on in the trace of whichever came first.</summary>
    [Fact]
    public async Task Commits_OfSeveralMessages_BelongToNoTraceOfOne()
    {
        using var listener = new ActivityListener { ShouldListenTo = source => source.Name == "MassTransit", Sample = (ref _) => ActivitySamplingResult.AllData };
        ActivitySource.AddActivityListener(listener);
        await using var database = await TestDatabase.CreateAsync(Store.Sqlite, server);
        var traces = new System.Collections.Concurrent.ConcurrentQueue<string?>();
        var script = new Script
        {
            BeforeCommit = _ =>
            {
                traces.Enqueue(Activity.Current?.Id);
                return Task.CompletedTask;
            }
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var id = Guid.CreateVersion7();
        await host.TellAsync(new Tell(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "what it sent arrives");

        Assert.All(traces, Assert.Null);
        Assert.NotEmpty(traces);
    }

    /// <summary>
    /// Every other commit fails after the handler's rows were written and before all is: what is tried again still has them. Some of these
    /// commits carry marks of messages before, and are then tried again piece by piece.
    /// </summary>
    [Fact]
    public async Task Commits_ThatFailAtTheirLastStatement_AreTriedAgainWhole()
    {
        await using var database = await TestDatabase.CreateAsync(Store.PostgreSql, server);
        var script = new Script();
        await using var host = await OutboxHost.StartAsync(database, script: script);
        await using var context = database.Open();
        await context.Database.ExecuteSqlRawAsync("""
            CREATE SEQUENCE "Turns";
            CREATE FUNCTION "EveryOtherFails"() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('"Turns"') % 2 = 0 THEN RAISE EXCEPTION 'Not this one.' USING ERRCODE = '40P01'; END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER "Fails" AFTER INSERT ON "InboxState" FOR EACH STATEMENT EXECUTE FUNCTION "EveryOtherFails"();
            """);

        for (var i = 0; i < 20; i++)
        {
            var id = Guid.CreateVersion7();
            await host.TellAsync(new Tell(id, 1), Guid.CreateVersion7());
            await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "what it sent arrives");
        }
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();

        Assert.Equal(20, await context.Notes.CountAsync());
        Assert.Equal(20, await context.Set<InboxState>().CountAsync(row => row.Delivered != null));
    }

    /// <summary>One of a group breaks a constraint of the table: it fails alone, with its own error.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Message_ThatCannotBeWritten_FailsAlone(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script();
        var held = new HeldCommit(script);
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var poison = Guid.CreateVersion7();
        script.Write = (context, message, times) =>
        {
            // A key that is taken, on the first try only.
            if (message.Id == poison && times == 1)
                context.Tallies.Add(new Tally { CorrelationId = held.First });
            else if (message.Id == held.First)
                context.Tallies.Add(new Tally { CorrelationId = held.First });
            return Task.CompletedTask;
        };
        var ids = await held.FillAsync(host, 16, poison);

        held.Release();
        await Eventually.TrueAsync(() => ids.All(id => script.ArrivedFor(id).Count == 1), Limit, "all are done in the end");

        Assert.Equal(2, script.HandledFor(poison));
        Assert.All(ids.Where(id => id != poison), id => Assert.Equal(1, script.HandledFor(id)));
        await using var context = database.Open();
        Assert.Equal(16, await context.Notes.CountAsync());
        Assert.Equal(1, await context.Tallies.CountAsync());
    }

    /// <summary>A copy of a message of the group, delivered while its first is not committed yet, takes nothing of the others with it.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Message_TwiceInOneGroup_IsConsumedOnce(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script();
        var held = new HeldCommit(script);
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var (twice, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var ids = await held.FillAsync(host, 14);
        await host.TellAsync(new Tell(twice, 1), messageId);
        await host.TellAsync(new Tell(twice, 1), messageId);
        await Eventually.TrueAsync(() => script.HandledFor(twice) == 2, Limit, "both copies are handled");

        held.Release();
        await Eventually.TrueAsync(() => ids.Append(twice).All(id => script.ArrivedFor(id).Count >= 1), Limit, "what each sent arrives");
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();

        Assert.All(ids, id => Assert.Equal(1, script.HandledFor(id)));
        await using var context = database.Open();
        Assert.Equal(1, await context.Notes.CountAsync(note => note.About == twice));
        Assert.Equal(15, await context.Set<InboxState>().CountAsync());
        Assert.Single(script.ArrivedFor(twice).Select(seen => seen.MessageId).Distinct());
        // The other messages are not tried one by one for it.
        Assert.InRange(held.NotesPerCommit.Length, 2, 13);
    }

    public enum Statement
    {
        Save,
        Update,
        Delete,
        Sql,
        Query,
        Transaction
    }

    public static TheoryData<Store, Statement> Statements()
    {
        var data = new TheoryData<Store, Statement>();
        foreach (var store in Enum.GetValues<Store>())
        {
            foreach (var statement in Enum.GetValues<Statement>())
                data.Add(store, statement);
        }
        return data;
    }

    /// <summary>What a handler writes by statements of its own is undone when it fails, and committed with its message when it does not.</summary>
    [Theory]
    [MemberData(nameof(Statements))]
    public async Task Handler_WithStatementsOfItsOwn_HasOneTransactionWithItsMessage(Store store, Statement statement)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var tally = Guid.CreateVersion7();
        await using (var before = database.Open())
        {
            before.Tallies.Add(new Tally { CorrelationId = tally });
            await before.SaveChangesAsync();
        }
        var script = new Script
        {
            Write = async (context, message, times) =>
            {
                await RunAsync(context, statement, tally);
                Assert.NotNull(context.Database.CurrentTransaction);
            },
            AtTheEnd = (_, times) => times < 3 ? throw new InvalidOperationException("on purpose") : Task.CompletedTask
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var id = Guid.CreateVersion7();

        await host.TellAsync(new Tell(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "it is done");

        await using var after = database.Open();
        Assert.Equal(1, await after.Notes.CountAsync());
        Assert.Equal(1, await after.Set<InboxState>().CountAsync());
        var left = await after.Tallies.Select(row => row.Sum).ToListAsync();
        Assert.Equal(statement switch { Statement.Delete => [], Statement.Query or Statement.Save => [0], _ => [1] }, left);
    }

    /// <summary>What a handler committed by itself would have no inbox row, and be done again by the next delivery: it is refused, and undone.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Handler_ThatCommitsByItself_FailsAndLeavesNothing(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var refusals = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var script = new Script
        {
            Write = async (context, message, times) =>
            {
                if (times > 2)
                    return;
                await using var transaction = await context.Database.BeginTransactionAsync();
                await context.SaveChangesAsync();
                refusals.Enqueue((await Assert.ThrowsAsync<InvalidOperationException>(() => transaction.CommitAsync())).Message);
                throw new InvalidOperationException("as the handler would without this test");
            }
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var id = Guid.CreateVersion7();

        await host.TellAsync(new Tell(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "it is done");

        Assert.Equal(3, script.HandledFor(id));
        Assert.Equal(2, refusals.Count);
        Assert.All(refusals, message => Assert.Contains("the outbox commits it", message, StringComparison.Ordinal));
        await using var after = database.Open();
        Assert.Equal(1, await after.Notes.CountAsync());
    }

    private static Task RunAsync(TestDbContext context, Statement statement, Guid tally) => statement switch
    {
        Statement.Save => context.SaveChangesAsync(),
        Statement.Update => context.Tallies.Where(row => row.CorrelationId == tally).ExecuteUpdateAsync(set => set.SetProperty(row => row.Sum, row => row.Sum + 1)),
        Statement.Delete => context.Tallies.Where(row => row.CorrelationId == tally).ExecuteDeleteAsync(),
        Statement.Sql => context.Database.ExecuteSqlAsync($"UPDATE \"Tallies\" SET \"Sum\" = \"Sum\" + 1"),
        Statement.Query => context.Tallies.FromSql($"SELECT * FROM \"Tallies\"").ToListAsync(),
        _ => TransactionAsync(context, tally)
    };

    private static async Task TransactionAsync(TestDbContext context, Guid tally)
    {
        await context.Database.BeginTransactionAsync();
        (await context.Tallies.SingleAsync(row => row.CorrelationId == tally)).Sum++;
    }

    /// <summary>Holds the commit of the first message until it is released.</summary>
    private sealed class HeldCommit
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly System.Collections.Concurrent.ConcurrentQueue<int> _notes = new();

        public HeldCommit(Script script) => script.BeforeCommit = async context =>
        {
            var notes = context.ChangeTracker.Entries<Note>().Count();
            if (notes > 0)
                _notes.Enqueue(notes);
            if (notes > 0 && _reached.TrySetResult())
                await _released.Task.WaitAsync(Limit);
        };

        public Guid First { get; } = Guid.CreateVersion7();

        /// <summary>How many notes each commit wrote.</summary>
        public int[] NotesPerCommit => [.. _notes];

        public void Release() => _released.SetResult();

        /// <summary>Sends one message, and once it is being committed all others, until they are handled.</summary>
        public async Task<Guid[]> FillAsync(OutboxHost host, int messages, Guid? last = null)
        {
            await host.TellAsync(new Tell(First, 1), Guid.CreateVersion7());
            await _reached.Task.WaitAsync(Limit);
            Guid[] others = [.. Enumerable.Range(0, messages - (last is null ? 1 : 2)).Select(_ => Guid.CreateVersion7()), .. last is { } one ? [one] : Array.Empty<Guid>()];
            foreach (var id in others)
                await host.TellAsync(new Tell(id, 1), Guid.CreateVersion7());
            await Eventually.TrueAsync(() => others.All(id => host.Script.HandledFor(id) == 1), Limit, "all are handled");
            return [First, .. others];
        }
    }
}
