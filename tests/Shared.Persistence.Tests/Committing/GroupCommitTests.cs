using System.Diagnostics;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Committing;

/// <summary>Messages share transactions without affecting one another.</summary>
public sealed class GroupCommitTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Fifteen messages are handled during the first commit and share the next one.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Messages_HandledDuringACommit_ShareTheNextOne(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script();
        var held = new CommitGate(script);
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var ids = await held.FillAsync(host, 16);

        held.Release();
        await Eventually.TrueAsync(() => ids.All(id => script.ArrivedFor(id).Count == 1), Limit, "what each sent arrives");
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();

        Assert.All(ids, id => Assert.Equal(1, script.HandledFor(id)));
        await using var context = database.Open();
        Assert.Equal(16, await context.Notes.CountAsync());
        Assert.Equal(16, await context.Set<InboxState>().CountAsync(row => row.Delivered != null));
        // A message that was handled but had not joined the queue when the first commit ended goes with the third.
        Assert.Equal(1, held.NotesPerCommit[0]);
        Assert.InRange(held.NotesPerCommit.Length, 2, 3);
        Assert.Equal(16, held.NotesPerCommit.Sum());
    }

    /// <summary>A commit serves several messages, so it must not appear in the trace of the first one.</summary>
    [Fact]
    public async Task Commits_OfSeveralMessages_BelongToNoTraceOfOne()
    {
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "MassTransit",
            Sample = (ref _) => ActivitySamplingResult.AllData
        };
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
        await host.SendToConsumerAsync(new WriteNote(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "what it sent arrives");

        Assert.All(traces, Assert.Null);
        Assert.NotEmpty(traces);
    }

    /// <summary>
    /// Every other commit fails after the handler's rows were written, and the retry must write them again. Some of these commits contain
    /// receipts of earlier messages, so their retries split the group.
    /// </summary>
    [Fact]
    public async Task Commits_ThatFailAtTheirLastStatement_AreRetriedAsAWhole()
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
            await host.SendToConsumerAsync(new WriteNote(id, 1), Guid.CreateVersion7());
            await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "what it sent arrives");
        }
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();

        Assert.Equal(20, await context.Notes.CountAsync());
        Assert.Equal(20, await context.Set<InboxState>().CountAsync(row => row.Delivered != null));
    }

    /// <summary>A message that violates a constraint fails alone, with its own error.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Message_ThatCannotBeWritten_FailsAlone(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script();
        var held = new CommitGate(script);
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var poison = Guid.CreateVersion7();
        script.Write = (context, message, times) =>
        {
            // Violates the primary key, on the first try only.
            if (message.Id == poison && times == 1)
                context.Tallies.Add(new Tally { CorrelationId = held.First });
            else if (message.Id == held.First)
                context.Tallies.Add(new Tally { CorrelationId = held.First });
            return Task.CompletedTask;
        };
        var ids = await held.FillAsync(host, 16, poison);

        held.Release();
        await Eventually.TrueAsync(() => ids.All(id => script.ArrivedFor(id).Count == 1), Limit, "all are consumed in the end");

        Assert.Equal(2, script.HandledFor(poison));
        Assert.All(ids.Where(id => id != poison), id => Assert.Equal(1, script.HandledFor(id)));
        await using var context = database.Open();
        Assert.Equal(16, await context.Notes.CountAsync());
        Assert.Equal(1, await context.Tallies.CountAsync());
    }

    /// <summary>
    /// A second copy of a message, delivered before the first is committed, does not make the other messages of the group fail.
    /// </summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Message_TwiceInOneGroup_IsConsumedOnce(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var script = new Script();
        var held = new CommitGate(script);
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var (twice, messageId) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        var ids = await held.FillAsync(host, 14);
        await host.SendToConsumerAsync(new WriteNote(twice, 1), messageId);
        await host.SendToConsumerAsync(new WriteNote(twice, 1), messageId);
        await Eventually.TrueAsync(() => script.HandledFor(twice) == 2, Limit, "both copies are handled");

        held.Release();
        await Eventually.TrueAsync(() => ids.Append(twice).All(id => script.ArrivedFor(id).Count >= 1), Limit, "what each sent arrives");
        await host.Services.GetRequiredService<OutboxBacklog<TestDbContext>>().IdleAsync();

        Assert.All(ids, id => Assert.Equal(1, script.HandledFor(id)));
        await using var context = database.Open();
        Assert.Equal(1, await context.Notes.CountAsync(note => note.About == twice));
        Assert.Equal(15, await context.Set<InboxState>().CountAsync());
        Assert.Single(script.ArrivedFor(twice).Select(seen => seen.MessageId).Distinct());
        // The duplicate does not force a commit per message.
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

    public static MatrixTheoryData<Store, Statement> Statements => new(Enum.GetValues<Store>(), Enum.GetValues<Statement>());

    /// <summary>The handler's own statements are rolled back if it fails, and otherwise committed with its message.</summary>
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

        await host.SendToConsumerAsync(new WriteNote(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "it is done");

        await using var after = database.Open();
        Assert.Equal(1, await after.Notes.CountAsync());
        Assert.Equal(1, await after.Set<InboxState>().CountAsync());
        var left = await after.Tallies.Select(row => row.Sum).ToListAsync();
        Assert.Equal(statement switch { Statement.Delete => [], Statement.Query or Statement.Save => [0], _ => [1] }, left);
    }

    /// <summary>
    /// A handler's own commit would lack the inbox entry, so the next delivery would repeat the work. The outbox rejects the commit.
    /// </summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Handler_ThatCommitsItsTransaction_FailsAndLeavesNothing(Store store)
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
                throw new InvalidOperationException("the handler would throw this without the test");
            }
        };
        await using var host = await OutboxHost.StartAsync(database, script: script);
        var id = Guid.CreateVersion7();

        await host.SendToConsumerAsync(new WriteNote(id, 1), Guid.CreateVersion7());
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "it is done");

        Assert.Equal(3, script.HandledFor(id));
        Assert.Equal(2, refusals.Count);
        Assert.All(refusals, message => Assert.Contains("Leave the commit to the outbox", message, StringComparison.Ordinal));
        await using var after = database.Open();
        Assert.Equal(1, await after.Notes.CountAsync());
    }

    private static Task RunAsync(TestDbContext context, Statement statement, Guid tally) => statement switch
    {
        Statement.Save => context.SaveChangesAsync(),
        Statement.Update => context.Tallies.Where(row => row.CorrelationId == tally)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.Sum, row => row.Sum + 1)),
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
    private sealed class CommitGate
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly System.Collections.Concurrent.ConcurrentQueue<int> _notes = new();

        public CommitGate(Script script) => script.BeforeCommit = async context =>
        {
            var notes = context.ChangeTracker.Entries<Note>().Count();
            if (notes > 0)
                _notes.Enqueue(notes);
            if (notes > 0 && _reached.TrySetResult())
                await _released.Task.WaitAsync(Limit);
        };

        public Guid First { get; } = Guid.CreateVersion7();

        /// <summary>The number of notes that each commit wrote.</summary>
        public int[] NotesPerCommit => [.. _notes];

        public void Release() => _released.SetResult();

        /// <summary>Sends one message and, during its commit, the others. Returns when all are handled.</summary>
        public async Task<Guid[]> FillAsync(OutboxHost host, int messages, Guid? last = null)
        {
            await host.SendToConsumerAsync(new WriteNote(First, 1), Guid.CreateVersion7());
            await _reached.Task.WaitAsync(Limit);
            Guid[] others = [.. Enumerable.Range(0, messages - (last is null ? 1 : 2)).Select(_ => Guid.CreateVersion7()),
                .. last is { } lastId ? [lastId] : Array.Empty<Guid>()];
            foreach (var id in others)
                await host.SendToConsumerAsync(new WriteNote(id, 1), Guid.CreateVersion7());
            await Eventually.TrueAsync(() => others.All(id => host.Script.HandledFor(id) == 1), Limit, "all are handled");
            return [First, .. others];
        }
    }
}
