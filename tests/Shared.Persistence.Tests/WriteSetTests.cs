using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Shared.Persistence.Tests.Surface;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests;

/// <summary>Rows that another context cannot take over as they are (parts of others, keys that are yet to be given) are stored all the same.</summary>
public sealed class WriteSetTests(PostgreSqlServer server)
{
    private const int Each = 12;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public enum Shape
    {
        Plain,
        Owned,
        Complex,
        OwnedChanged,
        ComplexChanged,
        NewParentWithChild,
        ChildOfNewParent
    }

    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSql)]
    public async Task Rows_OfEveryShapeAtTheSameTime_AreStoredAsTheirHandlersMadeThem(Store store)
    {
        await using var database = await TestDatabase.CreateEmptyAsync(store, server);
        await using var context = new ShapesDbContext(database.OptionsOf<ShapesDbContext>());
        await context.Database.EnsureCreatedAsync();
        await using var host = await StartAsync(database);
        var wanted = Enum.GetValues<Shape>().SelectMany(shape => Enumerable.Range(0, Each).Select(_ => new ShapeWanted(Guid.CreateVersion7(), shape))).ToList();
        context.Items.AddRange(wanted.Where(one => one.Shape is Shape.OwnedChanged or Shape.ComplexChanged).Select(one => new Item { About = one.Id, Label = new Label { Text = "before" } }));
        context.Children.AddRange(wanted.Where(one => one.Shape == Shape.ChildOfNewParent).Select(one => new Child { About = one.Id }));
        await context.SaveChangesAsync();

        await Task.WhenAll(wanted.Select(one => host.SendAsync("shapes", one)));
        await Eventually.TrueAsync(() => wanted.All(one => host.Journal.Count<Guid>(id => id == one.Id) == 1), Limit, "what each sent arrives");

        context.ChangeTracker.Clear();
        var (items, parents, children) = (await context.Items.ToListAsync(), await context.Parents.ToListAsync(), await context.Children.ToListAsync());
        foreach (var (id, shape) in wanted)
        {
            switch (shape)
            {
                case Shape.Plain or Shape.Owned or Shape.Complex:
                    var item = Assert.Single(items, item => item.About == id);
                    Assert.Equal(shape == Shape.Owned ? $"{id}" : null, item.Label?.Text);
                    Assert.Equal(shape == Shape.Complex ? 7 : 0, item.Size.Width);
                    break;
                case Shape.OwnedChanged or Shape.ComplexChanged:
                    var changed = Assert.Single(items, item => item.About == id);
                    Assert.Equal(shape == Shape.OwnedChanged ? ($"{id}", 0) : ("before", 7), (changed.Label?.Text, changed.Size.Width));
                    break;
                default:
                    var parent = Assert.Single(parents, parent => parent.About == id);
                    Assert.Equal(parent.Id, Assert.Single(children, child => child.About == id).ParentId);
                    break;
            }
        }
        Assert.Equal(wanted.Count, await context.Set<InboxState>().CountAsync());
    }

    private static Task<SurfaceHost> StartAsync(TestDatabase database) => SurfaceHost.StartAsync(services =>
    {
        services.AddDbContext<ShapesDbContext>(database.Use);
        services.AddMassTransit(bus =>
        {
            bus.AddConsumer<ShapeConsumer>().Endpoint(endpoint => endpoint.Name = "shapes");
            bus.AddConsumer<ShapedConsumer>();
            bus.AddEntityFrameworkOutbox<ShapesDbContext>(outbox => outbox.QueryDelay = TimeSpan.FromMilliseconds(50));
            bus.AddConfigureEndpointsCallback((context, name, endpoint) =>
            {
                endpoint.ConcurrentMessageLimit = 32;
                if (name == "shapes")
                    endpoint.UseEntityFrameworkOutbox<ShapesDbContext>(context);
            });
            bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
        });
    });

    public sealed record ShapeWanted(Guid Id, Shape Shape);

    public sealed record Shaped(Guid Id);

    public sealed class ShapeConsumer(ShapesDbContext database) : IConsumer<ShapeWanted>
    {
        public async Task Consume(ConsumeContext<ShapeWanted> context)
        {
            var (id, shape) = context.Message;
            switch (shape)
            {
                case Shape.Plain or Shape.Owned or Shape.Complex:
                    database.Items.Add(new Item
                    {
                        About = id,
                        Label = shape == Shape.Owned ? new Label { Text = $"{id}" } : null,
                        Size = new Size { Width = shape == Shape.Complex ? 7 : 0 }
                    });
                    break;
                case Shape.OwnedChanged:
                    (await database.Items.SingleAsync(item => item.About == id, context.CancellationToken)).Label!.Text = $"{id}";
                    break;
                case Shape.ComplexChanged:
                    (await database.Items.SingleAsync(item => item.About == id, context.CancellationToken)).Size.Width = 7;
                    break;
                case Shape.NewParentWithChild:
                    database.Parents.Add(new Parent { About = id, Children = { new Child { About = id } } });
                    break;
                default:
                    var child = await database.Children.SingleAsync(child => child.About == id, context.CancellationToken);
                    database.Parents.Add(new Parent { About = id, Children = { child } });
                    break;
            }
            await context.Publish(new Shaped(id));
        }
    }

    public sealed class ShapedConsumer(Journal journal) : IConsumer<Shaped>
    {
        public Task Consume(ConsumeContext<Shaped> context)
        {
            journal.Note(context.Message.Id);
            return Task.CompletedTask;
        }
    }

    public sealed class Item
    {
        public long Id { get; set; }

        public Guid About { get; set; }

        public Label? Label { get; set; }

        public Size Size { get; set; } = new();
    }

    public sealed class Label
    {
        public string Text { get; set; } = "";
    }

    public sealed class Size
    {
        public int Width { get; set; }
    }

    public sealed class Parent
    {
        public long Id { get; set; }

        public Guid About { get; set; }

        public List<Child> Children { get; set; } = [];
    }

    public sealed class Child
    {
        public long Id { get; set; }

        public Guid About { get; set; }

        public long? ParentId { get; set; }
    }

    public sealed class ShapesDbContext(DbContextOptions<ShapesDbContext> options) : DbContext(options)
    {
        public DbSet<Item> Items => Set<Item>();

        public DbSet<Parent> Parents => Set<Parent>();

        public DbSet<Child> Children => Set<Child>();

        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.Entity<Item>(item =>
            {
                item.OwnsOne(one => one.Label);
                item.ComplexProperty(one => one.Size);
            });
            modelBuilder.Entity<Parent>().HasMany(parent => parent.Children).WithOne().HasForeignKey(child => child.ParentId);
            modelBuilder.AddTransactionalOutboxEntities();
        }
    }
}
