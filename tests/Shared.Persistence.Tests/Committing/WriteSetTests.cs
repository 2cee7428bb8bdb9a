using System.Data.Common;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Committing;

/// <summary>The outbox also stores changes that another context cannot take over, while other messages share commits.</summary>
public sealed class WriteSetTests(PostgreSqlServer server)
{
    private const int Many = 14;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static MatrixTheoryData<Store, Change> Changes => new(Enum.GetValues<Store>(), Enum.GetValues<Change>());

    /// <summary>All other messages are handled during the first commit, so that those that can will share the next one.</summary>
    [Theory]
    [MemberData(nameof(Changes))]
    public async Task Changes_OfManyMessagesAtOnce_AreStoredAsTheyWereMade(Store store, Change change)
    {
        await using var database = await TestDatabase.CreateEmptyAsync(store, server);
        Guid[] ids = [.. Enumerable.Range(0, Many).Select(_ => Guid.CreateVersion7())];
        await PrepareAsync(database, ids, change);
        var held = new FirstCommit();
        await using var host = await CustomHost.StartAsync(services =>
        {
            services.AddDbContext<WarehouseDbContext>(options =>
            {
                database.Use(options);
                options.AddInterceptors(held);
            });
            services.AddMassTransit(bus =>
            {
                bus.AddEntityFrameworkOutbox<WarehouseDbContext>(outbox => outbox.QueryDelay = TimeSpan.FromMilliseconds(50));
                bus.AddConsumer<RowChangingConsumer>().Endpoint(endpoint => endpoint.Name = "keeping");
                bus.AddConsumer<RowsChangedConsumer>().Endpoint(endpoint => endpoint.Name = "kept");
                bus.AddConfigureEndpointsCallback((context, name, endpoint) =>
                {
                    endpoint.ConcurrentMessageLimit = 16;
                    if (name == "keeping")
                        endpoint.UseEntityFrameworkOutbox<WarehouseDbContext>(context);
                });
                bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
            });
        });
        var first = Guid.CreateVersion7();
        await host.SendAsync("keeping", new ChangeRows(first, Change.Plain));
        await held.Reached.WaitAsync(Limit);
        foreach (var id in ids)
            await host.SendAsync("keeping", new ChangeRows(id, change));
        await Eventually.TrueAsync(() => ids.All(id => host.Journal.Count<ChangeRows>(message => message.Id == id) == 1), Limit,
            "all are handled");
        held.Release();

        await Eventually.TrueAsync(() => ids.Append(first).All(id => host.Journal.Count<RowsChanged>(message => message.Id == id) >= 1),
            Limit, "the message of each arrives");
        await host.Services.GetRequiredService<OutboxBacklog<WarehouseDbContext>>().IdleAsync();
        // This endpoint has no retry, so each message was stored at its first attempt.
        Assert.Equal((1 + Many, 1 + Many), (host.Journal.Count<ChangeRows>(_ => true), host.Journal.Count<RowsChanged>(_ => true)));
        await using var after = new WarehouseDbContext(database.OptionsOf<WarehouseDbContext>());
        Assert.Equal(1 + Many, await after.Set<InboxState>().CountAsync(row => row.Delivered != null));
        await AssertStoredAsync(after, ids, first, change);
    }

    private static async Task PrepareAsync(TestDatabase database, Guid[] ids, Change change)
    {
        await using var context = new WarehouseDbContext(database.OptionsOf<WarehouseDbContext>());
        await context.Database.EnsureCreatedAsync();
        // Every second row exists already; for the changes of old rows, all of them do.
        foreach (var id in ids.Where((_, index) => index % 2 == 0))
        {
            if (change == Change.OwnedPart)
                context.Add(new Customer { Id = id, Home = new Place { Street = "before" }, Work = new Place { Street = "before" } });
            else if (change == Change.ComplexPart)
                context.Add(new Branch { Id = id, Site = new Place { Street = "before" } });
        }
        if (change == Change.OldChildOfANewParent)
        {
            foreach (var id in ids)
                context.AddRange(new Box { Id = Guid.CreateVersion7(), About = id }, new Box { Id = Guid.CreateVersion7(), About = id },
                    new Label { Id = Guid.CreateVersion7(), About = id });
        }
        if (change == Change.OldRowWithAKeyToCome)
            context.AddRange(ids.Select(id => new Tag { Id = Guid.CreateVersion7(), About = id }));
        await context.SaveChangesAsync();
    }

    private static async Task AssertStoredAsync(WarehouseDbContext context, Guid[] ids, Guid first, Change change)
    {
        Guid[] branches = change is Change.Plain or Change.ComplexPart ? [first, .. ids] : [first];
        Assert.Equal(branches.Order(), (await context.Branches.Select(branch => branch.Id).ToListAsync()).Order());
        switch (change)
        {
            case Change.OwnedPart:
                var customers = await context.Customers.AsNoTracking().ToListAsync();
                Assert.Equal(ids.Order(), customers.Select(customer => customer.Id).Order());
                Assert.All(customers, customer => Assert.Equal(($"{customer.Id}", $"{customer.Id}"),
                    (customer.Home.Street, customer.Work.Street)));
                break;
            case Change.ComplexPart:
                Assert.All(await context.Branches.Where(branch => branch.Id != first).ToListAsync(),
                    branch => Assert.Equal($"{branch.Id}", branch.Site.Street));
                break;
            case Change.NewChildOfANewParent or Change.OldChildOfANewParent:
                var pallets = await context.Pallets.ToDictionaryAsync(pallet => pallet.About, pallet => pallet.Id);
                var boxes = await context.Boxes.AsNoTracking().ToListAsync();
                var labels = await context.Labels.AsNoTracking()
                    .Select(label => new { label.About, Pallet = EF.Property<long?>(label, "PalletId") }).ToListAsync();
                Assert.Equal((Many, 2 * Many, Many), (pallets.Count, boxes.Count, labels.Count));
                Assert.All(boxes, box => Assert.Equal(pallets[box.About], box.PalletId));
                Assert.All(labels, label => Assert.Equal(pallets[label.About], label.Pallet));
                break;
            case Change.KeyToCome:
                var made = await context.Pallets.AsNoTracking().ToListAsync();
                Assert.Equal(ids.Order(), made.Select(pallet => pallet.About).Order());
                Assert.All(made, pallet => Assert.InRange(pallet.Id, 1, Many));
                break;
            case Change.NewRowWithAKeyToCome or Change.OldRowWithAKeyToCome:
                var keys = await context.Pallets.ToDictionaryAsync(pallet => pallet.About, pallet => pallet.Id);
                var tags = await context.Tags.AsNoTracking().ToListAsync();
                Assert.Equal((Many, Many), (keys.Count, tags.Count));
                Assert.All(tags, tag => Assert.Equal(keys[tag.About], tag.PalletId));
                Assert.All(keys.Values, key => Assert.InRange(key, 1, Many));
                break;
        }
    }

    /// <summary>Holds the first commit until it is released.</summary>
    private sealed class FirstCommit : DbTransactionInterceptor
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Reached => _reached.Task;

        public void Release() => _released.SetResult();

        public override async ValueTask<InterceptionResult> TransactionCommittingAsync(
            DbTransaction transaction, TransactionEventData eventData, InterceptionResult result,
                CancellationToken cancellationToken = default)
        {
            if (_reached.TrySetResult())
                await _released.Task.WaitAsync(Limit, cancellationToken);
            return result;
        }
    }
}
