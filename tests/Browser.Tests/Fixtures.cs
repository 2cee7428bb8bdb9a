using ConcertSaga.Browser.Tests;
using ConcertSaga.Browser.Tests.Console;
using Xunit;

[assembly: AssemblyFixture(typeof(Browser))]
[assembly: AssemblyFixture(typeof(Site))]
[assembly: AssemblyFixture(typeof(ConsoleSite))]
[assembly: CollectionBehavior(DisableTestParallelization = true)]
